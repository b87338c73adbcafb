"""What a Python program does with the client that openapi-python-client makes of /openapi.json."""

import datetime
import os

from misar_client import AuthenticatedClient
from misar_client.api.ingest import track_batch, track_event, track_purchase, track_refund
from misar_client.api.mail import register_message
from misar_client.api.read import get_message_report, get_receipt, list_events
from misar_client.models import (
    BatchBody,
    BatchEvent,
    BatchEventPropertiesType0,
    BatchEventType,
    BatchStatus,
    ErrorBody,
    EventBody,
    EventBodyPropertiesType0,
    ItemBody,
    MessageBody,
    PurchaseBody,
    ReceiptStatus,
    RefundBody,
)

RUN = os.environ["MISAR_RUN"]
EMAIL = "ada@example.com"
client = AuthenticatedClient(base_url=os.environ["MISAR_URL"], token=os.environ["MISAR_KEY"])


def good(answer):
    assert not isinstance(answer, ErrorBody), answer
    assert answer is not None
    return answer


message = good(register_message.sync(client=client, body=MessageBody(
    email=EMAIL, message_id=f"{RUN}-mail", campaign_id=RUN, html='<p><a href="https://shop.example/">Shop</a></p>')))
assert message.html.count("/mail/track/") == 2, message.html

properties = EventBodyPropertiesType0.from_dict({"plan": "pro", "seats": 5, "tags": ["a"]})
now = datetime.datetime.now(datetime.timezone.utc)
event = good(track_event.sync(client=client, body=EventBody(
    email=EMAIL, event="trial_started", properties=properties, timestamp=now)))
assert event.tracked and event.success is True

purchase_body = PurchaseBody(
    email=EMAIL, order_id=f"{RUN}-1", revenue=49.98, currency="USD", message_id=f"{RUN}-mail",
    items=[ItemBody(id="sku-1", name="Mug", price=24.99, quantity=2)])
assert good(track_purchase.sync(client=client, body=purchase_body)).tracked
assert good(track_purchase.sync(client=client, body=purchase_body)).reason == "duplicate"

refund = good(track_refund.sync(client=client, body=RefundBody(
    order_id=f"{RUN}-1", refund_id=f"{RUN}-r", amount=9.99)))
assert refund.tracked

batch = good(track_batch.sync(client=client, body=BatchBody(events=[
    BatchEvent(type_=BatchEventType.TRACK, email=EMAIL, event="page_viewed",
               properties=BatchEventPropertiesType0.from_dict({"url": "https://shop.example/"})),
    BatchEvent(type_=BatchEventType.IDENTIFY, email=EMAIL),
    BatchEvent(type_=BatchEventType.TRACK, event="of_nobody"),
])))
assert [result.status for result in batch.results] == [
    BatchStatus.TRACKED, BatchStatus.TRACKED, BatchStatus.REJECTED], batch
assert batch.results[2].code == "missing_field"

receipt = good(get_receipt.sync(event.id, client=client))
assert receipt.status == ReceiptStatus.TRACKED
assert isinstance(receipt.received_at, datetime.datetime)

report = good(get_message_report.sync(f"{RUN}-mail", client=client, min_seq=refund.seq))
assert [(money.currency, money.net) for money in report.revenue] == [("USD", 39.99)], report
assert isinstance(report.sent_at, datetime.datetime)

events = good(list_events.sync(client=client, email=EMAIL, min_seq=refund.seq))
assert any(listed.id == event.id and listed.properties["plan"] == "pro" for listed in events.events)

refused = track_event.sync(client=client, body=EventBody(email="nobody", event="x"))
assert isinstance(refused, ErrorBody) and refused.error.code == "invalid_email", refused
assert refused.success is False
print("openapi-python-client: an event, a purchase, a refund, a batch, a message, a receipt, a report")
