"""`/`: the fleet in numbers, each of them a filter."""

from collections.abc import Sequence

from flask import Response

from endpoint.http.pages.site import PageContext, PageRoute


class OverviewPages:
    """The page and its parts."""

    def __init__(self, context: PageContext) -> None:
        self._context = context

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses."""
        return (PageRoute(path="/", endpoint="overview", handler=self.overview),)

    def overview(self) -> Response:
        """Return the page."""
        self._context.gate.person()
        return self._context.site.render("overview.html")
