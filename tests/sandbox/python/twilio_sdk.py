"""Twilio's official SDK, unmodified, against the sandbox: send, fetch, list, number, account, refusals.

Usage: twilio_sdk.py SANDBOX_URL < tenant.json
"""

import datetime
import json
import sys

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

base_url = sys.argv[1]
tenant = json.load(sys.stdin)
twilio = tenant["twilio"]
customer, number = tenant["customer"], twilio["number"]


def client(user, password):
    made = Client(user, password, account_sid=twilio["accountSid"])
    made.api.base_url = base_url
    return made


def refusal(call):
    try:
        call()
    except TwilioRestException as refused:
        return refused.status, refused.code
    raise AssertionError("not refused")


for user, password in [(twilio["accountSid"], twilio["authToken"]), (twilio["apiKeySid"], twilio["apiKeySecret"])]:
    messages = client(user, password).messages
    sent = messages.create(to=customer, from_=number, body="Grüezi 😀", validity_period=60)
    assert sent.sid.startswith("SM") and sent.status == "queued", sent.status
    assert sent.date_sent is None and isinstance(sent.date_created, datetime.datetime)
    assert sent.num_segments == "1" and sent.body == "Grüezi 😀"
    assert messages(sent.sid).fetch().to == customer

token = client(twilio["accountSid"], twilio["authToken"])
for index in range(5):
    token.messages.create(to=customer, from_=number, body=str(index))
bodies = [message.body for message in token.messages.list(to=customer, from_=number, page_size=2)]
assert bodies[:5] == ["4", "3", "2", "1", "0"] and len(bodies) == 7, bodies
since = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
token.messages.list(date_sent_after=since)

found = token.incoming_phone_numbers.list(phone_number=number)
assert [one.phone_number for one in found] == [number]
assert found[0].sms_url == tenant["publicUrl"].rstrip("/") + "/twilio/inbound"
assert token.incoming_phone_numbers(found[0].sid).update(sms_method="POST").sms_method == "POST"
assert token.api.accounts(twilio["accountSid"]).fetch().status == "active"

assert refusal(lambda: token.messages.create(to="nobody", from_=number, body="x")) == (400, 21211)
assert refusal(lambda: token.messages.create(to=customer, from_=number, body="x" * 1601)) == (400, 21617)
assert refusal(lambda: token.messages("SM" + "0" * 32).fetch()) == (404, 20404)
assert refusal(lambda: client(twilio["accountSid"], "wrong").messages(sent.sid).fetch()) == (401, 20003)
print("twilio ok")
