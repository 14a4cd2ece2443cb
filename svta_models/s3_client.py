"""How an S3 server is reached, and what its refusals mean.

Endpoint, region and credentials are the standard ones, so that clips, Dagster's compute logs and `aws s3` agree: the
AWS_* variables, and without a key among them whatever boto3 finds (AWS_PROFILE, `~/.aws`, a role of the machine).
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from svta_models.errors import SvtaError

FIRST_CONTACT_S = 10.0  # a wrong endpoint should be told at once
PATIENCE_S = 180.0  # a server that has answered before is waited for: restarts take a minute or two
PATIENCE = "SVTA_S3_PATIENCE_S"
STALLED_S = 60.0  # without a byte of the answer; also the longest upload of one request
LONGEST_S = 30 * 60.0  # one request altogether
LARGE = 32 * 2**20  # bytes; a single request for more may take longer than STALLED_S on a slow line

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
         "AWS_CONTAINER_CREDENTIALS_FULL_URI")  # fmt: skip
_CODE = re.compile(r"<Code>(\w+)</Code>")
_REFUSED = {
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID",
    "InvalidAccessKeyId": "it does not know AWS_ACCESS_KEY_ID",
    "ExpiredToken": "the credentials have expired",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
}
_NO_ANSWER = ("error sending request", "timed out", "operation timed out", "connection", "dns error")


class NoCredentials(SvtaError):
    """Neither the environment nor boto3's files name a user."""


def make_client(url: str, options: Mapping[str, Any], *, patient: bool, large: bool = False) -> Any:
    """Make an obstore client for `s3://bucket/prefix`; `options` (obstore's own) win over the environment.

    patient: keep trying for SVTA_S3_PATIENCE_S while the server does not answer, else for FIRST_CONTACT_S.
    large: allow a single request to upload for longer than STALLED_S.
    """
    from obstore.store import S3Store

    waits = {"timeout": timedelta(seconds=LONGEST_S), "connect_timeout": timedelta(seconds=5)}
    if not large:
        waits["read_timeout"] = timedelta(seconds=STALLED_S)
    given = dict(options)
    client_options = {**waits, **given.pop("client_options", {})}
    found = _location(url, given)
    if str(found.get("endpoint", "")).startswith("http://"):
        client_options["allow_http"] = True
    trying = timedelta(seconds=_patience() if patient else FIRST_CONTACT_S)
    retry = {"max_retries": 1000, "retry_timeout": trying, "backoff": {"max_backoff": timedelta(seconds=5)}}
    return S3Store.from_url(url, **{"retry_config": retry, **found, **given, "client_options": client_options})


def endpoint_of(client: Any) -> str:
    """Address of the server, without a user or password that it may hold."""
    address = client.config.get("endpoint")
    if not address:
        return f"Amazon S3 ({client.config.get('region') or 'us-east-1'})"
    parts = urlsplit(str(address))
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"


def reason(error: Exception, bucket: str, endpoint: str) -> str:
    """One sentence on why the server refused a call, and what to do about it."""
    code = _code(error)
    if code == "NoSuchBucket":
        return f"there is no bucket {bucket} at {endpoint}; create it, or correct SVTA_MEDIA_URL"
    if code in _REFUSED:
        why = f"{endpoint} refuses the credentials for bucket {bucket}: {_REFUSED[code]} ({code})"
        return f"{why}; correct the AWS_* variables"
    if is_refusal(error):
        return (
            f"{endpoint} forbids this user what it takes in bucket {bucket} ({code or 'forbidden'}); "
            "check AWS_ACCESS_KEY_ID and that it may read, write, list and delete"
        )
    if is_silence(error):
        return (
            f"{endpoint} does not answer for bucket {bucket}; "
            "check that the server runs, then SVTA_MEDIA_URL and the AWS_* variables (AWS_ENDPOINT_URL)"
        )
    what = code or " ".join(_words(error).split())[:200] or type(error).__name__
    return (
        f"bucket {bucket} at {endpoint} failed: {what}; check SVTA_MEDIA_URL, the AWS_* variables and the server's log"
    )


def persist(write: Callable[[], object]) -> None:
    """Make a conditional write again while its connection breaks, for SVTA_S3_PATIENCE_S in all.

    obstore repeats only what may be done twice without asking. A conditional write may here: where the first attempt
    did arrive, the second is told that the object exists.
    """
    until = time.monotonic() + _patience()
    while True:
        try:
            write()
        except SvtaError as error:
            if not isinstance(error.__cause__, Exception) or not is_silence(error.__cause__):
                raise
            if time.monotonic() >= until:
                raise
            time.sleep(1.0)
        else:
            return


def is_silence(error: Exception) -> bool:
    """Whether no answer came, or none that is whole."""
    return any(sign in _words(error).lower() for sign in _NO_ANSWER)


def _words(error: Exception) -> str:
    return str(error).partition("Debug source")[0].strip()


def is_refusal(error: Exception) -> bool:
    """Whether the server understood the call and forbids it."""
    return type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError") or " 403 " in str(error)


def tells_why(error: Exception) -> bool:
    """Whether the server says more than no: that there is no such bucket, or what is wrong with the credentials."""
    return _code(error) in ("NoSuchBucket", *_REFUSED)


def _code(error: Exception) -> str:
    """The server's own name of the error; empty where it sent none."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


def _patience() -> float:
    given = os.environ.get(PATIENCE) or str(PATIENCE_S)
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise SvtaError(
            f"{PATIENCE}={given!r} is not a number of seconds; set 0 or more, or unset it for {PATIENCE_S:g}"
        )
    return seconds


def _location(url: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Endpoint, region and credentials that the options do not give themselves."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    found: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    if given.get("endpoint"):
        found["endpoint"] = given["endpoint"]
    if "access_key_id" not in given and not any(os.environ.get(name) for name in _KEYS):
        found |= _of_boto3(url, given)
    return found


def _of_boto3(url: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What boto3's files and the machine's role say. Raises NoCredentials when they name nobody."""
    import boto3  # type: ignore[import-untyped]
    from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        session = boto3.Session()
        found: dict[str, Any] = {"credential_provider": Boto3CredentialProvider(session)}
        address = (
            None
            if given.get("endpoint")
            else session.client("s3", session.region_name or "us-east-1").meta.endpoint_url
        )
    except (BotoCoreError, ValueError) as error:
        raise NoCredentials(
            f"no credentials for {url} in the environment or boto3's files; "
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        ) from error
    if address and not re.search(r"\.amazonaws\.com(\.cn)?/?$", address):
        found["endpoint"] = address
    return found
