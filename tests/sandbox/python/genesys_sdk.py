"""Genesys Cloud's official SDK, unmodified, against the sandbox: token, integrations, inbound message, event, receipt.

Usage: genesys_sdk.py SANDBOX_URL AGENT_MESSAGE_ID < tenant.json
"""

import json
import sys

import PureCloudPlatformClientV2 as genesys
from PureCloudPlatformClientV2.rest import ApiException

base_url, agent_message = sys.argv[1:3]
tenant = json.load(sys.stdin)
integration = tenant["genesys"]["integrationId"]
customer = {"id": tenant["customer"], "idType": "Phone", "nickname": "Ann"}
time = "2026-01-02T03:04:05.678Z"

client = genesys.api_client.ApiClient(host=base_url)
client.get_client_credentials_token(tenant["genesys"]["clientId"], tenant["genesys"]["clientSecret"])
api = genesys.ConversationsApi(client)


def refusal(call):
    try:
        call()
    except ApiException as refused:
        return refused.status, json.loads(refused.body)["code"]
    raise AssertionError("not refused")


listing = api.get_conversations_messaging_integrations_open(page_size=1)
assert (listing.total, listing.page_count) == (3, 3), listing
assert listing.entities[0].id == integration and listing.entities[0].name == tenant["genesys"]["integrationName"]
assert listing.next_uri and listing.entities[0].create_status == "Completed"
one = api.get_conversations_messaging_integrations_open_integration_id(integration)
assert one.outbound_notification_webhook_url == tenant["publicUrl"].rstrip("/") + "/genesys/outbound"

# A dictionary, because the SDK's model drops the customAttributes that the platform takes.
message = {
    "channel": {
        "messageId": "SM01",
        "time": time,
        "from": customer,
        "metadata": {"customAttributes": {"twilioTo": tenant["twilio"]["number"]}},
    },
    "text": "Grüezi 😀",
}
taken = api.post_conversations_message_inbound_open_message(integration, message, prefetch_conversation_id=True)
assert taken.text == message["text"] and taken.conversation_id and taken.channel.message_id == "SM01"
assert taken.channel.pcFrom.id == customer["id"]

event = {"channel": {"time": time, "from": customer}, "events": [{"eventType": "Typing"}]}
assert api.post_conversations_message_inbound_open_event(integration, event).type == "Event"


def receipt(message_id, status):
    channel = genesys.OpenInboundMessagingReceiptChannel()
    channel.to = genesys.OpenMessagingToRecipient()
    channel.to.id = tenant["customer"]
    channel.time = time
    body = genesys.OpenInboundNormalizedReceipt()
    body.id, body.status, body.channel, body.is_final_receipt = message_id, status, channel, True
    return api.post_conversations_message_inbound_open_receipt(integration, body)


assert receipt(agent_message, "Delivered").status == "Delivered"
unknown = receipt("0" * 32, "Delivered")
assert unknown.status == "Failed" and unknown.reasons[0].code == "UnknownMessage"

bad = {"channel": {"time": time, "from": {"id": "1", "idType": "Fax"}}, "text": "x"}
assert refusal(lambda: api.post_conversations_message_inbound_open_message(integration, bad)) == (400, "invalid.value")
missing = "00000000-0000-0000-0000-000000000000"
assert refusal(lambda: api.post_conversations_message_inbound_open_message(missing, message)) == (404, "not.found")
print("genesys ok")
