"""Make the buckets of media and compute logs unless they exist: S3 stores are never created by writing to them."""

import os
from urllib.parse import urlsplit

import boto3

client = boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"), region_name=os.environ.get("AWS_REGION"))
there = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
for name in dict.fromkeys((urlsplit(os.environ["SVTA_MEDIA_URL"]).netloc, os.environ["SVTA_LOG_BUCKET"])):
    if name not in there:
        client.create_bucket(Bucket=name)
    print(f"bucket {name}: {'there' if name in there else 'made'}")
