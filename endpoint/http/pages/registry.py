"""All page modules. A new page is a module here and one line below; the scope test covers each of its routes."""

from collections.abc import Callable

from endpoint.http.pages.account import AccountPages
from endpoint.http.pages.audit import AuditPage
from endpoint.http.pages.deploy import DeployPages
from endpoint.http.pages.deployments import DeploymentsPages
from endpoint.http.pages.enrolments import EnrolmentsPage
from endpoint.http.pages.fixes import FixesPages
from endpoint.http.pages.host import HostPages
from endpoint.http.pages.hosts import HostsPages
from endpoint.http.pages.locks import LocksPage
from endpoint.http.pages.login import LoginPages
from endpoint.http.pages.overview import OverviewPages
from endpoint.http.pages.site import PageContext, PageModule
from endpoint.http.pages.views import ViewsPages

PAGES: tuple[Callable[[PageContext], PageModule], ...] = (
    OverviewPages,
    HostPages,
    FixesPages,
    LocksPage,
    AuditPage,
    DeployPages,
    DeploymentsPages,
    EnrolmentsPage,
    HostsPages,
    ViewsPages,
    LoginPages,
    AccountPages,
)


def page_modules(context: PageContext) -> tuple[PageModule, ...]:
    """Build all page modules."""
    return tuple(make(context) for make in PAGES)
