"""The tests of the rows of hosts, and those of pages, on PostgreSQL: their queries differ most between databases."""

import pytest

from tests.endpoint import test_fleet_pages, test_host_rows, test_key_texts
from tests.endpoint.test_fleet_pages import pages

__all__ = ["pages"]
pytestmark = pytest.mark.xdist_group("endpoint-postgresql")

test_pages_follow_each_other_in_both_directions = test_fleet_pages.test_pages_follow_each_other_in_both_directions
test_each_order_can_be_reversed = test_fleet_pages.test_each_order_can_be_reversed
test_all_hosts_are_read_once_though_they_report_meanwhile = (
    test_fleet_pages.test_all_hosts_are_read_once_though_they_report_meanwhile
)
test_a_fix_goes_from_pending_to_active = test_fleet_pages.test_a_fix_goes_from_pending_to_active
test_lists_counts_and_rows_agree_with_the_rule_over_random_reports = (
    test_host_rows.test_lists_counts_and_rows_agree_with_the_rule_over_random_reports
)
test_a_database_of_5e725e98_is_upgraded_with_rows_for_all_its_hosts = (
    test_host_rows.test_a_database_of_5e725e98_is_upgraded_with_rows_for_all_its_hosts
)
test_a_silent_host_is_deleted_with_its_rows_and_returns_as_a_new_one = (
    test_host_rows.test_a_silent_host_is_deleted_with_its_rows_and_returns_as_a_new_one
)
test_the_exposure_of_each_day_is_recorded_for_the_fleet_and_each_tag = (
    test_host_rows.test_the_exposure_of_each_day_is_recorded_for_the_fleet_and_each_tag
)
test_active_fixes_are_kept_for_as_long_as_the_curve = test_host_rows.test_active_fixes_are_kept_for_as_long_as_the_curve
test_a_text_that_a_database_would_refuse_is_stored = test_host_rows.test_a_text_that_a_database_would_refuse_is_stored
test_the_page_of_a_fix_counts_each_host_once_in_a_stage = (
    test_host_rows.test_the_page_of_a_fix_counts_each_host_once_in_a_stage
)
test_any_text_is_a_key_again = test_key_texts.test_any_text_is_a_key_again
test_more_keys_than_wanted_are_none = test_key_texts.test_more_keys_than_wanted_are_none
test_no_key_finds_nothing = test_key_texts.test_no_key_finds_nothing


@pytest.fixture(scope="module")
def kind() -> str:
    return "postgresql"
