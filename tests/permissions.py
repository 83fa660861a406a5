"""The roles of the template's functions as IAM evaluates them: the calls that a role allows.

roles = Roles(template.body, parameters, deployment.resources)
roles.missing("ApiFunction", call)      # the (action, resource) pairs that nothing allows
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

Json = dict[str, Any]
Need = tuple[str, str]
"""An action and the ARN that it is done to."""

REGION, ACCOUNT = "us-east-1", "123456789012"
PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::NoValue": "",
}
_ITEMS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}
# Operations whose permission has another name.
RENAMED = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "s3:CreateBucket": "s3:PutObject",  # as botocore signs forms for uploads
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:DeleteObjects": "s3:DeleteObject",
    "lambda:Invoke": "lambda:InvokeFunction",
    "bedrock:ConverseStream": "bedrock:InvokeModelWithResponseStream",
}


def needs(call: Json) -> Iterator[Need]:
    """Yield the permissions that a recorded call needs (`recording/sitecustomize.py`)."""
    service, params = call["service"], call["params"]
    action = f"{service}:{call['operation']}"
    action = RENAMED.get(action, action)
    if service == "dynamodb":
        yield from _needs_of_tables(action, call)
    elif service == "events":
        yield from ((action, _arn("events", f"event-bus/{bus.rpartition('/')[2]}")) for bus in call["buses"])
    else:
        target = _TARGETS.get(service)
        yield action, target(action, params) if target else "*"


def _needs_of_tables(action: str, call: Json) -> Iterator[Need]:
    params = call["params"]
    yield from ((f"dynamodb:{_ITEMS[kind]}", _table(name)) for kind, name in call["items"])
    yield from ((action, _table(name)) for name in call["tables"])
    if "TableName" in params:
        index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
        yield action, _table(params["TableName"]) + index


def _object(action: str, params: Json) -> str:
    key = params.get("Key", "uploads/x")  # a signed form has its key in its fields
    return f"arn:aws:s3:::{params['Bucket']}" + ("" if action == "s3:ListBucket" else f"/{key}")


def _table(name: str) -> str:
    return _arn("dynamodb", f"table/{name.rpartition('/')[2]}")


def _arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


ARNS = {
    "AWS::DynamoDB::Table": lambda name: _table(name),
    "AWS::SQS::Queue": lambda name: _arn("sqs", name.rpartition("/")[2]),
    "AWS::S3::Bucket": lambda name: f"arn:aws:s3:::{name}",
    "AWS::Lambda::Function": lambda name: _arn("lambda", f"function:{name}"),
    "AWS::Events::EventBus": lambda name: _arn("events", f"event-bus/{name}"),
    "AWS::IAM::Role": lambda name: f"arn:aws:iam::{ACCOUNT}:role/{name}",
    "AWS::KMS::Key": lambda name: _arn("kms", f"key/{name}"),
}


_TARGETS: dict[str, Callable[[str, Json], str]] = {
    "sqs": lambda _, params: _arn("sqs", params["QueueUrl"].rpartition("/")[2]),
    "s3": _object,
    "lambda": lambda _, params: _arn("lambda", f"function:{params['FunctionName'].rpartition(':')[2]}"),
    "scheduler": lambda _, params: _arn("scheduler", f"schedule/{params['GroupName']}/{params['Name']}"),
    "ssm": lambda _, params: _arn("ssm", f"parameter{params['Name']}"),
    "secretsmanager": lambda _, params: str(params["SecretId"]),
    "sns": lambda _, params: str(params["TopicArn"]),
}


@dataclass
class Roles:
    """The roles of a template. `resources` are the physical names by logical id."""

    body: Json
    parameters: dict[str, str]
    resources: dict[str, str]
    used: set[tuple[str, str, str]] = field(default_factory=set)
    """Role, action and resource pattern of the statements that allowed something."""

    def missing(self, function: str, call: Json) -> list[Need]:
        """Return the permissions that the call needs and the function's role does not grant."""
        role = self.body["Resources"][function]["Properties"]["Role"]["Fn::GetAtt"][0]
        return [need for need in needs(call) if not self._allows(role, need, call["purpose"])]

    def _allows(self, role: str, need: Need, purpose: str) -> bool:
        allowed = False
        for action, pattern, condition in self.rules(role):
            if fnmatchcase(need[0], action) and _matches(need[1], pattern):
                wanted = (condition.get("StringEquals") or {}).get("kms:EncryptionContext:purpose")
                if wanted in (None, purpose):
                    self.used.add((role, action, pattern))
                    allowed = True
        return allowed

    def rules(self, role: str) -> Iterator[tuple[str, str, Json]]:
        """Yield each action with each resource that a role allows, and its condition."""
        for policy in self.body["Resources"][role]["Properties"].get("Policies", ()):
            found = self.resolve(policy)
            statements = found["PolicyDocument"]["Statement"] if isinstance(found, dict) else []
            for statement in statements if isinstance(statements, list) else [statements]:
                for action in _list(statement["Action"]):
                    for pattern in _list(statement["Resource"]):
                        yield action, str(pattern), statement.get("Condition", {})

    def resolve(self, value: Any) -> Any:
        """Return a value with its references and conditions resolved."""
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one != ""]
        return self._resolve_one(value) if isinstance(value, dict) else value

    def _resolve_one(self, value: Json) -> Any:
        match value:
            case {"Ref": name}:
                return self._ref(name)
            case {"Fn::GetAtt": [name, attribute]}:
                return self._attribute(name, attribute)
            case {"Fn::If": [condition, yes, no]}:
                return self.resolve(yes if self.holds(condition) else no)
            case {"Fn::Sub": [str(text), dict(given)]}:
                return self._sub(text, {name: str(self.resolve(one)) for name, one in given.items()})
            case {"Fn::Sub": str(text)}:
                return self._sub(text, {})
            case {"Fn::Join": [str(glue), parts]}:
                return glue.join(map(str, _list(self.resolve(parts))))
            case {"Fn::Select": [at, {"Fn::Split": [str(glue), text]}]}:
                return str(self.resolve(text)).split(glue)[int(at)]
        return {name: self.resolve(one) for name, one in value.items()}

    def holds(self, condition: str) -> bool:
        """Return whether a condition of the template is true for the parameters."""
        return self._truth(self.body["Conditions"][condition])

    def _truth(self, value: Json) -> bool:
        match value:
            case {"Fn::Not": [one]}:
                return not self._truth(one)
            case {"Fn::Equals": [one, other]}:
                return str(self.resolve(one)) == str(self.resolve(other))
            case {"Fn::And": list(all_of)}:
                return all(map(self._truth, all_of))
            case {"Fn::Or": list(any_of)}:
                return any(map(self._truth, any_of))
            case {"Condition": str(name)}:
                return self.holds(name)
        raise ValueError(f"not understood: {value}")

    def _ref(self, name: str) -> str:
        if name in self.body["Parameters"]:
            return str(self.parameters.get(name, self.body["Parameters"][name].get("Default", "")))
        if name == "AWS::StackName":
            return "millrace"
        return PSEUDO.get(name) if name in PSEUDO else self.resources.get(name, name)  # type: ignore[return-value]

    def _attribute(self, name: str, attribute: str) -> str:
        physical = self.resources.get(name, name)
        if attribute == "Arn":
            return str(ARNS[self.body["Resources"][name]["Type"]](physical))
        return physical.rpartition("/")[2]

    def _sub(self, text: str, given: dict[str, str]) -> str:
        def value(found: re.Match[str]) -> str:
            name, _, attribute = found[1].partition(".")
            if name in given:
                return given[name]
            return self._attribute(name, attribute) if attribute else self._ref(name)

        return re.sub(r"\$\{([^}]+)\}", value, text)


def _matches(arn: str, pattern: str) -> bool:
    return pattern == "*" or arn == "*" or fnmatchcase(arn, pattern)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
