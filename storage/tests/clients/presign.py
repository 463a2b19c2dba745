"""Links as Amazon's own library signs them, at a time that the test says."""
import datetime
import json
import sys
from unittest import mock

import boto3
import botocore.auth
from botocore.config import Config


def one(asked):
    at = datetime.datetime.fromtimestamp(asked["at"], datetime.timezone.utc)
    client = boto3.client(
        "s3",
        endpoint_url=asked["endpoint"],
        region_name=asked["region"],
        aws_access_key_id=asked["access_key"],
        aws_secret_access_key=asked["secret_key"],
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if asked["path_style"] else "virtual"},
        ),
    )
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *a, **k: at.replace(tzinfo=None)):
        return client.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": asked["bucket"],
                "Key": asked["key"],
                "ResponseContentDisposition": asked["disposition"],
            },
            ExpiresIn=asked["expires"],
        )


json.dump([one(asked) for asked in json.load(sys.stdin)], sys.stdout)
