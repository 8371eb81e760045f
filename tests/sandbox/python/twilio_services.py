"""Twilio's official SDK, unmodified, against the sandbox: Messaging Services and their pools.

Usage: twilio_services.py SANDBOX_URL < tenant.json
"""

import json
import sys

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

base_url = sys.argv[1]
tenant = json.load(sys.stdin)
twilio = tenant["twilio"]
client = Client(twilio["apiKeySid"], twilio["apiKeySecret"], account_sid=twilio["accountSid"])
client.api.base_url = client.messaging.base_url = base_url
services = client.messaging.v1.services


def code(call):
    try:
        call()
    except TwilioRestException as refused:
        return refused.code
    raise AssertionError("not refused")


url = "https://elsewhere.example.com/sms"
made = services.create(friendly_name="Support", inbound_request_url=url, use_inbound_webhook_on_number=False)
assert made.sid.startswith("MG") and made.inbound_request_url == url and made.inbound_method == "POST"
assert made.use_inbound_webhook_on_number is False and made.fallback_url is None
for name in ("A", "B", "C", "D"):
    services.create(friendly_name=name)
assert [one.friendly_name for one in services.list(page_size=2)] == ["Support", "A", "B", "C", "D"]
assert code(lambda: services("MG" + "0" * 32).fetch()) == 20404

number = client.incoming_phone_numbers.list(phone_number=twilio["number"])[0].sid
pool = services(made.sid).phone_numbers
assert code(lambda: pool(number).fetch()) == 20404
assert pool.create(phone_number_sid=number).phone_number == twilio["number"]
assert pool(number).fetch().service_sid == made.sid
assert [one.sid for one in pool.list()] == [number]
assert code(lambda: pool.create(phone_number_sid=number)) == 21710
other = services.list()[1]
assert code(lambda: services(other.sid).phone_numbers.create(phone_number_sid=number)) == 21712

changed = services(made.sid).update(use_inbound_webhook_on_number=True, inbound_request_url="")
assert changed.use_inbound_webhook_on_number is True and changed.inbound_request_url is None
assert changed.friendly_name == "Support"
assert pool(number).delete() and pool.list() == []
assert services(other.sid).delete() and len(services.list()) == 4
print("services ok")
