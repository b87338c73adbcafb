//! What is told of messages after they were registered: when they really left.

use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::bodies::{SentBody, SentMessageBody, body};
use super::fields::{self, missing, required};
use super::json::{self, ListError};
use crate::ids::{CampaignId, MessageId};
use crate::limits::MAX_BATCH_MESSAGES;
use crate::rejection::{Rejection, codes};
use crate::time::Timestamp;

/// Whose real time of sending is told.
#[derive(Clone, Debug)]
pub enum SentAsk<'a> {
    /// Of these messages, at most 1,000, not yet looked at; `sent_at` is for those without their own.
    Messages {
        /// Each as it came.
        messages: Vec<&'a RawValue>,
        /// For those without a time of their own.
        sent_at: Option<Timestamp>,
    },
    /// Of all messages of a campaign of which it has not been told yet.
    Campaign {
        /// The campaign.
        campaign_id: CampaignId,
        /// Absent: now.
        sent_at: Option<Timestamp>,
    },
}

/// When one message left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The send.
    pub message_id: MessageId,
    /// Absent: now, or what was told before.
    pub sent_at: Option<Timestamp>,
}

/// Reads whose time is told.
///
/// # Errors
/// `None` where there are too many messages; else what is wrong with the request as a whole.
pub fn parse_sent<'a>(
    body: &SentBody<'a>,
    received_at: Timestamp,
) -> Result<SentAsk<'a>, Option<Rejection>> {
    let sent_at = body.sent_at.map(|raw| fields::sent_at(raw, received_at));
    let sent_at = sent_at.transpose()?;
    let wanted = "Send `messages` as a JSON array of objects such as {\"messageId\":\"spring-42\"}";
    match (body.messages, body.campaign_id) {
        (Some(_), Some(_)) => {
            let message = "Send either `messages` or `campaignId`";
            Err(Some(Rejection::of(
                codes::INVALID_BODY,
                "campaignId",
                message,
            )))
        }
        (Some(messages), None) => match json::list(messages, MAX_BATCH_MESSAGES) {
            Ok(messages) => Ok(SentAsk::Messages { messages, sent_at }),
            Err(ListError::TooLong) => Err(None),
            Err(ListError::NotAList) => {
                Err(Some(Rejection::of(codes::INVALID_BODY, "messages", wanted)))
            }
        },
        (None, Some(raw)) => {
            let campaign_id = fields::caller_id(
                codes::INVALID_CAMPAIGN_ID,
                "campaignId",
                raw,
                CampaignId::parse,
            )?;
            Ok(SentAsk::Campaign {
                campaign_id,
                sent_at,
            })
        }
        (None, None) => {
            let message = "Send `messages`, or `campaignId` for all of a campaign";
            Err(Some(missing("messages", message)))
        }
    }
}

/// Reads when one message left; `sent_at` is what the request says of all.
///
/// # Errors
/// What is wrong with it.
pub fn parse_departure(
    raw: &RawValue,
    sent_at: Option<Timestamp>,
    received_at: Timestamp,
) -> Result<Departure, Rejection> {
    let sent: SentMessageBody<'_> = body(raw.get()).map_err(|_| {
        let message = "Send each message as an object such as {\"messageId\":\"spring-42\"}";
        Rejection::whole(codes::INVALID_BODY, message)
    })?;
    let message_id = fields::message_id(required("messageId", sent.message_id)?)?;
    let own = sent.sent_at.map(|raw| fields::sent_at(raw, received_at));
    Ok(Departure {
        message_id,
        sent_at: own.transpose()?.or(sent_at),
    })
}
