"""Signatures as Cloudinary's own library makes them."""
import json
import sys

from cloudinary.utils import api_sign_request

json.dump(
    [api_sign_request(asked["params"], asked["secret"], asked["algorithm"]) for asked in json.load(sys.stdin)],
    sys.stdout,
)
