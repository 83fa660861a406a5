"""docs/deploy.md, section by section: the tests that cover it, and the commands, parameters and outputs that
it names."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.templates import translated

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/deploy.md").read_text()
BODY = translated().body
FOLLOWED = {
    "Deploy": [
        "tests/cloud/test_sam_deploy.py::test_first_hour_from_a_failed_deployment_to_a_token",
        "tests/cloud/test_deploy.py::test_deploy_tells_the_functions_their_address_once_and_what_to_do_next",
        "tests/cloud/test_deploy.py::test_second_pass_has_the_arguments_of_the_first_but_for_its_parameters",
        "tests/test_template_facts.py::test_required_names_fit_and_contain_stack_and_region",
    ],
    "Create the first user": [
        "tests/cloud/test_first_user.py::test_first_user_is_an_admin_whose_token_names_the_organization",
        "tests/cloud/test_first_user.py::test_second_run_keeps_the_users_password",
        "tests/cloud/test_first_user.py::test_token_of_a_user_who_has_to_choose_a_password_wants_the_new_one",
        "tests/test_template_access.py::test_users_cannot_write_the_attribute_that_names_their_organization",
    ],
    "The sign-in page": [
        "tests/cloud/test_deploy.py::test_page_signs_in_at_the_pools_own_page_once_the_pool_knows_where_the_page_is",
        "tests/cloud/test_deploy.py::test_page_signs_in_at_the_issuer_that_the_stack_was_given",
        "tests/test_template_facts.py::test_sign_in_domain_is_valid_for_cognito",
    ],
    "The web page": [
        "tests/cloud/test_deploy.py::test_page_is_uploaded_with_types_cache_headers_and_its_config",
        "tests/cloud/test_deploy.py::test_page_without_cloudfront_calls_the_function_of_each_route",
        "tests/test_template_website.py::test_streams_outlive_the_timeouts_of_their_origin",
        "tests/test_template_website.py::test_each_function_with_routes_is_an_origin",
    ],
    "Upgrade, roll back, remove": [
        "tests/cloud/test_deploy.py::test_gradual_deployment_shifts_every_function_and_its_url_and_heeds_the_alarms",
        "tests/cloud/test_deploy.py::test_destroyed_stack_leaves_its_data_and_says_where",
        "tests/cloud/test_deploy.py::test_destroy_with_data_deletes_protected_tables_too",
        "tests/cloud/test_deploy.py::test_reattaching_imports_what_was_kept_with_a_template_of_nothing_else",
        "tests/cloud/test_deploy.py::test_template_for_import_fits_into_the_call",
    ],
    "Concurrency": [
        "tests/test_template_limits.py::test_mappings_leave_room_for_people_in_a_new_account",
        "tests/test_template_limits.py::test_concurrency_is_reserved_only_on_request",
        "tests/test_template_alarms.py::test_usual_alarms_are_free",
        "tests/test_template_alarms.py::test_usual_alarms_watch_throttles_loops_inits_ages_and_dead_letters",
        "tests/test_template_alarms.py::test_runbook_has_a_section_for_each_usual_alarm",
    ],
    "Your data": [
        "tests/test_template.py::test_tables_are_on_demand_restorable_protected_and_encrypted",
        "tests/test_template.py::test_user_pool_is_protected",
        "tests/test_template.py::test_stateful_resources_survive_the_stack_and_their_condition",
    ],
    "What it costs": ["tests/cost/test_cost.py::test_docs_say_what_the_command_says"],
    "Other hosts": [
        "tests/serve/test_serve.py::test_one_process_serves_conversations_management_and_protocols",
        "tests/serve/test_dockerfile.py::test_every_lock_file_of_the_apps_is_installed_with_its_hashes",
    ],
    "Logs": ["tests/test_template_alarms.py::test_lambda_passes_on_the_debug_lines_of_sampled_invocations"],
}
UNFOLLOWED = {
    "Models": "needs an account of Bedrock, or another company's",
    "Databases in your network": "needs a VPC",
    "What was not run on a real account": "says so",
}


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_section_is_followed_by_tests_that_are_there() -> None:
    headings = set(re.findall(r"^##? (.+)$", PAGE, re.MULTILINE)) - {"or keys"}
    assert headings == FOLLOWED.keys() | UNFOLLOWED.keys()
    for section, tests in FOLLOWED.items():
        for path, _, name in (one.partition("::") for one in tests):
            assert name in names_in(path), f"{section}: {path}::{name}"


def test_every_command_of_the_page_is_one_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake (?:-s )?([a-z][a-z-]+)", re.sub(r"```\n.*?```", "", PAGE)))
    assert named - targets == set()
    assert {"deploy", "first-user", "destroy", "reattach", "page"} <= named


def test_every_parameter_is_explained_and_every_one_explained_is_there() -> None:
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))
    explained = {name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert explained - BODY["Parameters"].keys() == set()
    assert BODY["Parameters"].keys() - explained == set()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"output `(\w+)`", PAGE))))
def test_every_output_that_is_named_is_there(name: str) -> None:
    assert name in BODY["Outputs"]


def test_every_given_parameter_of_a_command_is_there() -> None:
    given = set(
        re.findall(r"\b([A-Z][A-Za-z]+)=", re.sub(r"ARGS=|GRADUAL=|SNAPSTART=|PYTHON=|AWS_\w+=", "", PAGE))
    )
    assert given - BODY["Parameters"].keys() == set()
