"""`make first-user` against the emulated Cognito, and its token against the product's own check."""

import uuid

import jwt
import pytest

from cloud import first_user
from cloud.users import new_password
from tests.aws import Aws

STACK = ["--stack-name", "millrace"]


def claims(token: str) -> dict[str, object]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def test_first_user_is_an_admin_whose_token_names_the_organization(
    aws_environment: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    assert first_user.main([*STACK, "--email", email, "--organization", "acme"]) == 0
    *said, token = capsys.readouterr().out.strip().splitlines()
    found = claims(token)
    assert found["custom:organization"] == "acme"
    assert found["cognito:groups"] == ["admin"]
    assert found["token_use"] == "id", "an access token does not name the organization"
    assert found["aud"] == aws_environment.deployment.outputs["UserPoolClientId"]
    assert found["iss"] == aws_environment.deployment.outputs["Issuer"]
    password = next(line.strip() for line in said if line.startswith("  ") and "curl" not in line)
    assert first_user.main([*STACK, "--email", email, "--token", "--password", password]) == 0
    assert claims(capsys.readouterr().out.strip())["email"] == email


def test_second_run_keeps_the_users_password(
    aws_environment: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    email, password = f"{uuid.uuid4().hex}@example.com", new_password()
    created = [*STACK, "--email", email, "--role", "customer", "--password", password]
    assert first_user.main(created) == 0
    assert f"Created {email}, customer of the organization acme." in capsys.readouterr().out
    assert first_user.main([*STACK, "--email", email]) == 1
    assert "already exists" in capsys.readouterr().err
    assert first_user.main([*STACK, "--email", email, "--token", "--password", password]) == 0


def test_token_of_a_user_who_has_to_choose_a_password_wants_the_new_one(
    aws_environment: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    email, given, chosen = f"{uuid.uuid4().hex}@example.com", new_password(), new_password()
    aws_environment.client("cognito-idp").admin_create_user(
        UserPoolId=aws_environment.deployment.outputs["UserPoolId"],
        Username=email,
        TemporaryPassword=given,
        UserAttributes=[{"Name": "email", "Value": email}, {"Name": "custom:organization", "Value": "acme"}],
        MessageAction="SUPPRESS",
    )
    token = [*STACK, "--email", email, "--token", "--password"]
    assert first_user.main([*token, given]) == 1
    assert "--new-password" in capsys.readouterr().err
    assert first_user.main([*token, given, "--new-password", chosen]) == 0
    assert claims(capsys.readouterr().out.strip())["email"] == email
    assert first_user.main([*token, chosen]) == 0
    assert first_user.main([*token, "wrong-Password-1"]) == 1
    assert "is wrong" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--email", "you"], "not an e-mail address"),
        (["--email", "you@example.com", "--organization", "A B"], "a-z, 0-9"),
        (["--email", "you@example.com", "--token"], "--password"),
        (["--email", "you@example.com", "--stack-name", "nothing-here"], "make deploy"),
        (["--email", "you@example.com", "--stack-name", "", "--config-env", "none"], "samconfig.toml"),
    ],
)
def test_wrong_arguments_say_what_to_do(
    arguments: list[str], says: str, aws_environment: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert first_user.main([*STACK, *arguments]) == 1
    assert says in capsys.readouterr().err


def test_password_passes_every_policy_of_cognito() -> None:
    for _ in range(50):
        password = new_password()
        assert len(password) >= 12
        assert any(one.isupper() for one in password)
        assert any(one.islower() for one in password)
        assert any(one.isdigit() for one in password)
        assert "-" in password
