"""Twilio's official validator on webhooks that the sandbox signed.

Usage: twilio_validator.py < webhooks.json: [{"token", "url", "params": {name: value}, "signature"}]
"""

import json
import sys

from twilio.request_validator import RequestValidator

webhooks = json.load(sys.stdin)
assert webhooks
for webhook in webhooks:
    validator = RequestValidator(webhook["token"])
    params = webhook["params"]
    assert validator.validate(webhook["url"], params, webhook["signature"]), webhook["url"]
    assert not validator.validate(webhook["url"], params | {"Body": "forged"}, webhook["signature"])
    assert not RequestValidator("another token").validate(webhook["url"], params, webhook["signature"])
print("signatures ok")
