"""`make deploy GRADUAL=Canary10Percent10Minutes SNAPSTART=on`: rewrite the built template.

python -m cloud.gradual .aws-sam/build/template.yaml --shift Canary10Percent10Minutes --snapstart

Each function gets an alias, which its URL calls. CodeDeploy shifts requests to the new version step by step,
and back if an alarm fires; queues call the new code at once. A version is published with every deployment:
SAM publishes none if only the value of a parameter has changed, and the alias would keep the old value.
"""

import argparse
import json
import sys
import uuid
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

ALIAS = "live"
ALARMS = ("FailuresAlarm", "InitFailuresAlarm", "ServerErrorsAlarm")


def gradual(template: dict[str, Any], shift: str, snapstart: bool, deployment: str) -> dict[str, Any]:
    """Return the template with an alias and a version of each function. `shift` is a deployment type of
    CodeDeploy; if it is empty, all requests are shifted at once."""
    changed: dict[str, Any] = json.loads(json.dumps(template))
    functions = changed["Globals"]["Function"]
    functions |= {
        "AutoPublishAlias": ALIAS,
        "AutoPublishAliasAllProperties": True,
        "VersionDeletionPolicy": "Delete",
    }
    functions["Environment"]["Variables"]["DEPLOYMENT"] = deployment
    if shift:
        alarms = [{"Ref": name} for name in ALARMS]
        functions["DeploymentPreference"] = {"Type": shift, "Alarms": alarms}
    if snapstart:
        functions["SnapStart"] = {"ApplyOn": "PublishedVersions"}
    return changed


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m cloud.gradual", description=__doc__)
    parser.add_argument("template", type=Path)
    parser.add_argument(
        "--shift", default="", help="Canary10Percent10Minutes, Linear10PercentEvery1Minute, ..."
    )
    parser.add_argument("--snapstart", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.shift or chosen.snapstart:
        found = yaml_parse(chosen.template.read_text())
        changed = gradual(found, chosen.shift, chosen.snapstart, uuid.uuid4().hex)
        chosen.template.write_text(json.dumps(changed, indent=1))  # JSON is valid YAML
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
