"""The template as AWS gets it: translated by SAM's own translator. `sam validate` accepts all of this."""

import json
from typing import Any

import pytest

from local.template import Template
from local.template import read_template as read
from millrace.telemetry import metrics as own
from tests.aws import TEMPLATE

# Wildcards that no policy can avoid, and the reason.
WILDCARDS = {
    "bedrock:InvokeModelWithResponseStream": "models and inference profiles are the account's to choose",
    "xray:PutTraceSegments": "X-Ray knows no resources",
    "xray:PutTelemetryRecords": "X-Ray knows no resources",
    "polly:SynthesizeSpeech": "lexicons are the account's to choose",
    "polly:DescribeVoices": "takes no resource",
}
MANAGED = {
    "service-role/AWSLambdaBasicExecutionRole",
    "AWSXrayWriteOnlyAccess",
    "AWSXRayDaemonWriteAccess",
    "service-role/AWSLambdaDynamoDBExecutionRole",
    "service-role/AWSLambdaVPCAccessExecutionRole",  # of functions that may be put into a VPC
}
# Tables with something that passes away.
REPRODUCIBLE = {"WebBucket"}
"""Holds what a deployment writes again."""
PASSING = [
    "ConversationsTable",
    "RunsTable",
    "EventsTable",
    "InjectionsTable",
    "TicketsTable",
    "ApiKeysTable",
    "LimitsTable",
    "AuditTable",
    "AlertsTable",
    "FlowsTable",
    "PipelinesTable",
    "WindowsTable",
    "DeliveryTable",
    "DeadLettersTable",
    "FilesTable",
]
STATEFUL = {
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolGroup",
    "AWS::DynamoDB::Table",
    "AWS::S3::Bucket",
}
# Metrics of AWS itself on the dashboard.
AWS_METRICS = {
    "AWS/Lambda": {
        "Invocations",
        "Errors",
        "Throttles",
        "Duration",
        "ConcurrentExecutions",
        "Url5xxCount",
    },
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
}
OWN_METRICS = {*own.METRICS.values(), own.LATENCY, own.LAG, own.BACKPRESSURE}
# Other functions may stream; these must.
STREAMED = {"ConversationFunction"}

Resources = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def translated() -> Template:
    return read(TEMPLATE)


@pytest.fixture(scope="module")
def resources(translated: Template) -> Resources:
    found: Resources = translated.body["Resources"]
    return found


def of_type(resources: Resources, kind: str) -> dict[str, dict[str, Any]]:
    return {name: one.get("Properties", {}) for name, one in resources.items() if one["Type"] == kind}


def functions(resources: Resources) -> dict[str, dict[str, Any]]:
    return of_type(resources, "AWS::Lambda::Function")


def variables(function: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = function["Environment"]["Variables"]
    return found


def url_of(resources: Resources, function: str) -> dict[str, Any]:
    return resources[f"{function}Url"]["Properties"] if f"{function}Url" in resources else {}


def test_streamed_functions_have_streamed_urls_and_the_exec_wrapper_and_only_they(
    resources: Resources,
) -> None:
    modes = {name: url_of(resources, name).get("InvokeMode") for name in functions(resources)}
    assert {name for name, mode in modes.items() if mode == "RESPONSE_STREAM"} >= STREAMED
    for name, function in functions(resources).items():
        wrapped = variables(function).get("AWS_LAMBDA_EXEC_WRAPPER") == "/opt/streaming-bootstrap"
        assert wrapped == (modes[name] == "RESPONSE_STREAM"), name
        layers = [layer["Ref"] for layer in function["Layers"]]
        assert any(layer.startswith("RuntimeLayer") for layer in layers) == wrapped, name


def test_timeouts_are_set_for_each_function_within_lambdas_limit(resources: Resources) -> None:
    for name, function in functions(resources).items():
        assert 1 <= function["Timeout"] <= 900, name
        assert 128 <= function["MemorySize"] <= 10240, name


def test_each_public_url_has_both_permissions(resources: Resources) -> None:
    """URLs created since October 2025 need InvokeFunctionUrl and InvokeFunction."""
    given = {
        (permission["FunctionName"]["Ref"], permission["Action"])
        for permission in of_type(resources, "AWS::Lambda::Permission").values()
        if permission.get("Principal") == "*"
    }
    for name in functions(resources):
        if url_of(resources, name):
            assert (name, "lambda:InvokeFunctionUrl") in given
            assert (name, "lambda:InvokeFunction") in given


def test_each_function_with_a_url_has_a_route_of_its_own(translated: Template, resources: Resources) -> None:
    routes = [route for one in translated.functions.values() for route in one.routes]
    assert len(routes) == len(set(routes))
    assert all(route.startswith("/") and not route.endswith("/") for route in routes)
    for name, source in translated.functions.items():
        assert bool(source.routes) == bool(url_of(resources, name)), name


def test_template_paths_of_code_and_layers_exist(translated: Template) -> None:
    for source in translated.functions.values():
        assert any(source.code.glob("*.py")), source.code
        for folder in source.import_path():
            assert any(folder.glob("*/__init__.py")), folder


def test_urls_configure_cors_themselves(resources: Resources) -> None:
    for name in functions(resources):
        if url := url_of(resources, name):
            cors = url["Cors"]
            assert "authorization" in cors["AllowHeaders"], name
            assert not cors.get("AllowCredentials"), name


def test_tables_are_on_demand_restorable_protected_and_encrypted(
    translated: Template, resources: Resources
) -> None:
    tables = of_type(resources, "AWS::DynamoDB::Table")
    defaults = {name: one.get("Default") for name, one in translated.body["Parameters"].items()}
    assert (defaults["DeletionProtection"], defaults["PointInTimeRecovery"]) == ("true", "true")
    own_key = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": {"Ref": "KmsKeyArn"}}
    assert tables
    for name, table in tables.items():
        assert table["BillingMode"] == "PAY_PER_REQUEST", name
        # Without a specification the key is DynamoDB's own, which costs nothing; an "AWS managed" one is
        # billed by the call.
        assert table["SSESpecification"] == {"Fn::If": ["HasKmsKey", own_key, {"Ref": "AWS::NoValue"}]}, name
        recovery = table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        assert recovery == {"Fn::If": ["HasRecovery", True, False]}, name
        assert table["DeletionProtectionEnabled"] == {"Fn::If": ["IsProtected", True, False]}, name


def test_user_pool_is_protected(resources: Resources) -> None:
    protection = resources["UserPool"]["Properties"]["DeletionProtection"]
    assert protection == {"Fn::If": ["IsProtected", "ACTIVE", "INACTIVE"]}


@pytest.mark.parametrize("table", PASSING)
def test_temporary_items_have_a_ttl(resources: Resources, table: str) -> None:
    ttl = resources[table]["Properties"]["TimeToLiveSpecification"]
    assert ttl == {"AttributeName": "expiresAt", "Enabled": True}


def test_each_function_logs_to_a_group_with_retention(resources: Resources) -> None:
    groups = of_type(resources, "AWS::Logs::LogGroup")
    used = [function["LoggingConfig"]["LogGroup"]["Ref"] for function in functions(resources).values()]
    assert sorted(used) == sorted(set(used))
    for group in used:
        assert groups[group]["RetentionInDays"]


def test_each_function_has_an_alarm_on_its_errors(resources: Resources) -> None:
    watched = {
        dimension["Value"].get("Ref")
        for alarm in of_type(resources, "AWS::CloudWatch::Alarm").values()
        if alarm.get("MetricName") == "Errors"
        for dimension in alarm["Dimensions"]
        if isinstance(dimension["Value"], dict)
    }
    assert functions(resources).keys() <= watched


def test_each_url_has_an_alarm_on_its_5xx(resources: Resources) -> None:
    """An app's 500 is not an error of its function."""
    watched = {
        alarm["Dimensions"][0]["Value"]["Ref"]
        for alarm in of_type(resources, "AWS::CloudWatch::Alarm").values()
        if alarm.get("MetricName") == "Url5xxCount"
    }
    assert watched == {name for name in functions(resources) if url_of(resources, name)}


def dashboard_metrics(resources: Resources) -> list[list[str]]:
    """Return each metric of the dashboard: namespace, name, dimension and value.

    `.` repeats the previous one.
    """
    text = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    found: list[list[str]] = []
    for widget in json.loads(text)["widgets"]:
        before: list[str] = []
        for metric in widget["properties"]["metrics"]:
            words = [word for word in metric if isinstance(word, str)]
            before = [before[at] if word == "." else word for at, word in enumerate(words)]
            found.append(before)
    return found


def test_dashboard_shows_existing_metrics(resources: Resources) -> None:
    found = dashboard_metrics(resources)
    for namespace, name, dimension, value in found:
        if namespace == own.NAMESPACE:
            assert name in OWN_METRICS, name
            assert (dimension, value) == ("Stack", "${AWS::StackName}")
        else:
            assert name in AWS_METRICS[namespace], name
            logical_id = value.removeprefix("${").removesuffix("}").partition(".")[0]
            assert logical_id in resources, value
            assert dimension == ("QueueName" if namespace == "AWS/SQS" else "FunctionName")
    assert {name for namespace, name, _, _ in found if namespace == own.NAMESPACE} == OWN_METRICS


def test_dashboard_shows_every_function_and_dead_letter_queue(resources: Resources) -> None:
    shown = {
        (name, value.removeprefix("${").partition(".")[0].rstrip("}"))
        for _, name, _, value in dashboard_metrics(resources)
    }
    assert {value for name, value in shown if name == "Errors"} == functions(resources).keys()
    assert {value for name, value in shown if name == "Url5xxCount"} == {
        name for name in functions(resources) if url_of(resources, name)
    }
    dead = {name for name in of_type(resources, "AWS::SQS::Queue") if "Dead" in name}
    assert dead <= {value for name, value in shown if name == "ApproximateNumberOfMessagesVisible"}


def test_functions_that_measure_pipelines_know_their_stack(resources: Resources) -> None:
    found = functions(resources)
    for name in ("TransformFunction", "DeliverFunction", "SweepFunction"):
        assert variables(found[name])["STACK"] == {"Ref": "AWS::StackName"}, name


def test_each_queue_redrives_to_a_dead_letter_queue_that_is_watched(resources: Resources) -> None:
    queues = of_type(resources, "AWS::SQS::Queue")
    dead = {name for name in queues if "Dead" in name}
    for name in queues.keys() - dead:
        assert queues[name]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] in dead, name
    watched = {
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in of_type(resources, "AWS::CloudWatch::Alarm").values()
        for dimension in alarm.get("Dimensions", ())
        if dimension["Name"] == "QueueName" and "Fn::GetAtt" in dimension["Value"]
    }
    assert dead <= watched
    urls = variables(functions(resources)["SweepFunction"])["DEAD_LETTER_QUEUE_URLS"]["Fn::Join"][1]
    assert {one["Ref"] for one in urls} == dead, "the usual alarm is on what the sweep sees"


def test_events_that_a_rule_cannot_deliver_are_kept(resources: Resources) -> None:
    """Without a dead-letter queue, the bus drops events that it could not deliver within a day or may not
    deliver."""
    queues = of_type(resources, "AWS::SQS::Queue")
    allowed = {
        (statement["Resource"]["Fn::GetAtt"][0], rule["Fn::GetAtt"][0])
        for policy in of_type(resources, "AWS::SQS::QueuePolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if "Condition" in statement
        for rule in statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    }
    for name, rule in of_type(resources, "AWS::Events::Rule").items():
        for target in rule["Targets"]:
            to = target["Arn"]["Fn::GetAtt"][0]
            if to in queues:
                dead = target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0]
                assert queues[to]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] == dead
                assert {(to, name), (dead, name)} <= allowed, name


def test_event_sources_report_partial_failures(resources: Resources) -> None:
    for name, source in of_type(resources, "AWS::Lambda::EventSourceMapping").items():
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


def test_stateful_resources_survive_the_stack_and_their_condition(resources: Resources) -> None:
    """A condition that becomes false deletes its resources: setting `OidcIssuer` must not delete accounts.

    Not `RetainExceptOnCreate`: with deletion protection, a stack whose creation fails could not roll back.
    """
    kept = {name for name, one in resources.items() if one["Type"] in STATEFUL}
    assert {"UserPool", "AdminGroup", "UserPoolClient", "ConversationsTable", "FilesBucket"} <= kept
    for name in kept - REPRODUCIBLE:
        assert resources[name]["DeletionPolicy"] == "Retain", name
        assert resources[name]["UpdateReplacePolicy"] == "Retain", name


def statements(resources: Resources) -> list[tuple[str, dict[str, Any]]]:
    roles = of_type(resources, "AWS::IAM::Role")
    found = []
    for name, role in roles.items():
        for policy in role.get("Policies", ()):
            policies = policy["Fn::If"][1:] if "Fn::If" in policy else [policy]
            for one in policies:
                found += [(name, statement) for statement in _statements(one)]
    return found


def _statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    document = policy.get("PolicyDocument", {})
    statements = document.get("Statement", [])
    return statements if isinstance(statements, list) else [statements]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(resource: Any) -> str:
    """Return the ARN as written. A reference is as narrow as the resource that it names."""
    if isinstance(resource, dict):
        sub = resource.get("Fn::Sub", "")
        return str(sub[0] if isinstance(sub, list) else sub)
    return str(resource)


def is_wild(resource: Any) -> bool:
    """Return whether a `*` stands for whole resources. Below a table or bucket it covers only its parts."""
    text = _text(resource)
    return text == "*" or (
        text.endswith("*") and not text.endswith("/index/*") and "}" not in text.rpartition(":")[2]
    )


def test_policies_have_only_the_needed_wildcards(resources: Resources) -> None:
    found = statements(resources)
    assert found
    for role, statement in found:
        actions = as_list(statement["Action"])
        assert not any(action == "*" or action.endswith(":*") for action in actions), (role, actions)
        if any(map(is_wild, as_list(statement["Resource"]))):
            assert set(actions) <= WILDCARDS.keys(), (role, statement)


# SAM's policies for buckets would also allow lifecycles, ACLs and versions.
BUCKET_ACTIONS = {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"}
RECEIVING = ("sqs:ReceiveMessage", "sqs:DeleteMessage")


def test_functions_read_the_queues_that_call_them_and_no_others(resources: Resources) -> None:
    """SAM's SQS events add a managed policy that reads every queue of the account."""
    mapped = {
        (one["FunctionName"]["Ref"], one["EventSourceArn"]["Fn::GetAtt"][0])
        for one in of_type(resources, "AWS::Lambda::EventSourceMapping").values()
        if "Fn::GetAtt" in one["EventSourceArn"]
    }
    allowed = {
        (role.removesuffix("Role"), statement["Resource"]["Fn::Sub"][1]["queueName"]["Fn::GetAtt"][0])
        for role, statement in statements(resources)
        if set(as_list(statement["Action"])) & set(RECEIVING)
    }
    assert mapped == allowed
    assert len(mapped) == 6


def test_functions_have_only_the_needed_bucket_permissions(resources: Resources) -> None:
    found = {
        action
        for _, statement in statements(resources)
        for action in as_list(statement["Action"])
        if action.startswith("s3:")
    }
    assert found == BUCKET_ACTIONS


def test_managed_policies_are_the_known_ones(resources: Resources) -> None:
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for arn in role.get("ManagedPolicyArns", ()):
            assert _text(arn).partition(":policy/")[2] in MANAGED, (name, arn)


def test_every_url_is_an_output(translated: Template, resources: Resources) -> None:
    statements = str(translated.body["Outputs"])
    for name in functions(resources):
        if url_of(resources, name):
            assert f"{name}Url" in statements, name


@pytest.mark.parametrize(
    ("function", "actions"),
    [
        ("ConversationFunction", {"dynamodb:UpdateItem"}),
        ("CommandCenterFunction", {"dynamodb:UpdateItem"}),
        ("FlowsFunction", {"dynamodb:UpdateItem"}),
        ("A2aFunction", {"dynamodb:UpdateItem"}),
        ("VoiceFunction", {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}),
    ],
)
def test_functions_that_take_tickets_may_use_their_table(
    resources: Resources, function: str, actions: set[str]
) -> None:
    """The emulator checks no permissions: without these every ticket is a 500 on AWS."""
    role = resources[function]["Properties"]["Role"]["Fn::GetAtt"][0]
    allowed: set[str] = set()
    for owner, statement in statements(resources):
        if owner == role and "TicketsTable" in str(statement["Resource"]):
            allowed |= set(as_list(statement["Action"]))
    assert allowed == actions


def _may(resources: Resources, function: str, action: str, prefix: str) -> bool:
    """Return whether the function may do this to the journal bucket's objects below the prefix."""
    role = resources[function]["Properties"]["Role"]["Fn::GetAtt"][0]
    for owner, statement in statements(resources):
        covered = [str(one) for one in as_list(statement["Resource"]) if "JournalBucket" in str(one)]
        if owner == role and action in as_list(statement["Action"]):
            if any(prefix in one or "/*" in one.replace(prefix, "") for one in covered):
                return True
    return False


@pytest.mark.parametrize(
    ("function", "action", "prefix"),
    [
        (function, f"s3:{action}Object", prefix)
        for function, prefix, actions in (
            ("TransformFunction", "_messages", ("Get", "Put", "Delete")),
            ("TransformFunction", "_dead-letters", ("Get", "Put", "Delete")),
            ("DeliverFunction", "_messages", ("Get", "Put", "Delete")),
            ("DeliverFunction", "_dead-letters", ("Put",)),
            ("ApiFunction", "_dead-letters", ("Get", "Delete")),
        )
        for action in actions
    ],
)
def test_functions_may_store_oversized_values(
    resources: Resources, function: str, action: str, prefix: str
) -> None:
    assert _may(resources, function, action, prefix)
    assert "JOURNAL_BUCKET" in resources[function]["Properties"]["Environment"]["Variables"]


def test_functions_that_run_agents_decrypt_the_secrets_of_mcp_servers_and_no_others(
    resources: Resources,
) -> None:
    found = {
        role.removesuffix("Role"): statement.get("Condition")
        for role, statement in statements(resources)
        if statement["Action"] == "kms:Decrypt"
    }
    only_mcp = {"StringEquals": {"kms:EncryptionContext:purpose": "mcp"}}
    assert found == {
        "ConversationFunction": only_mcp,
        "ContinueRunsFunction": only_mcp,
        "FlowsFunction": only_mcp,
        "A2aFunction": only_mcp,
        "McpFunction": only_mcp,
        "NotifyTasksFunction": {"StringEquals": {"kms:EncryptionContext:purpose": "a2a"}},
        "ApiFunction": only_mcp,
        "DeliverFunction": None,
        "WebhooksFunction": None,
    }
    for function in found:
        assert "SECRETS_KEY_ID" in variables(functions(resources)[function]), function
