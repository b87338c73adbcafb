//! A message's parts with a pixel, tracked links and an unsubscribe link, whose tokens name it.

use std::collections::HashSet;

use shared::limits::MAX_MESSAGE_LINKS;
use shared::rejection::{Rejection, codes};
use shared::wire::{TrackClicks, UtmParameters};

use super::answer::{MessageAnswer, MessageHeaders, written};
use super::content::message_type;
use super::error::RegisterError;
use super::{Draft, Making, Registrar};
use crate::instrument::{
    Held, MailRefusal, Plan, Targets, Utm, instrument_html, instrument_text, line_and_column,
};
use store::record::public_seq::PublicSeq;
use store::token::{MAX_TOKEN_CHARS, Sent, Token, TokenKind};

/// What a message may come back as, beyond twice what was sent of it: so many bytes, and so many for
/// each link. Bounded, so that nobody makes a large answer of a small request.
const ANSWER_BYTES: usize = 4 * 1024;
const ANSWER_LINK_BYTES: usize = 400;

/// Gmail shows the first 102 KB of a mail and cuts off the rest, with a pixel at its end.
const CLIPPED_BYTES: usize = 100_000;
const CLIPPED: &str = "the HTML part is larger than 100 KB: Gmail cuts it off at 102 KB, and a pixel at its end is not loaded then; \
     send `pixel` as start, or a shorter mail";

impl Registrar {
    /// The answer, or why a part of the message cannot be sent as it is.
    pub(super) fn instrument(
        &self,
        draft: &Draft,
        making: &Making,
        seq: PublicSeq,
        links_left: &mut u32,
    ) -> Result<Result<MessageAnswer, Rejection>, RegisterError> {
        let outgoing = &draft.outgoing;
        let most = MAX_MESSAGE_LINKS.min(*links_left);
        let campaign_id = outgoing.campaign_id.as_ref();
        let sent = Sent {
            workspace: self.workspace,
            message_id: draft.message_id.clone(),
            contact: making.contact,
            campaign_id: campaign_id.map(|id| id.as_str().to_owned()),
            message_type: message_type(outgoing),
            sent_at: making.sent_at,
        };
        let keys = self.meta.token_keys();
        let seal = |token: Token| keys.seal(Some(making.token_key), &token);
        let mail = format!("{}/mail", self.public_url);
        let pixel_url = format!("{mail}/track/open/{}", seal(Token::Open(sent.clone())));
        let unsubscribe_url = format!(
            "{mail}/unsubscribe/{}",
            seal(Token::Unsubscribe(sent.clone()))
        );
        let own_prefix = format!("{mail}/");
        let utm = outgoing.utm.as_ref().map(utm);
        let mut link = |link: u32, target_number: u32, target: &str| {
            let token = seal(Token::Click {
                sent: sent.clone(),
                link,
                target_number: Some(target_number),
                target: target.to_owned(),
            });
            (token.len() <= MAX_TOKEN_CHARS).then(|| format!("{mail}/track/click/{token}"))
        };
        let read = |kind: TokenKind, text: &str| {
            let Some((token, _)) = keys.read(kind, text) else {
                return Held::Nothing;
            };
            if token.sent().workspace != self.workspace {
                return Held::Elsewhere;
            }
            if *token.sent() == sent {
                return Held::Own;
            }
            Held::Other {
                target: match token {
                    Token::Click { target, .. } => Some(target),
                    Token::Open(_) | Token::Unsubscribe(_) => None,
                },
            }
        };
        let mut plan = Plan {
            pixel_url: outgoing.track_opens.then_some(&pixel_url),
            unsubscribe_url: &unsubscribe_url,
            own_prefix: &own_prefix,
            read: &read,
            is_pixel_first: outgoing.is_pixel_first,
            utm: utm.as_ref(),
            track_clicks: outgoing.track_clicks != TrackClicks::Nowhere,
            next_index: 0,
            opted_out: HashSet::new(),
            targets: Targets::default(),
            links_left: most,
            parts: 0,
            refused: None,
            link: &mut link,
        };
        let html = outgoing
            .html
            .as_ref()
            .map(|html| instrument_html(html, &mut plan));
        let is_html_refused = plan.refused.is_some();
        plan.track_clicks = outgoing.track_clicks == TrackClicks::Everywhere;
        let text = outgoing
            .text
            .as_ref()
            .filter(|_| !is_html_refused)
            .map(|text| instrument_text(text, &mut plan));
        *links_left -= most - plan.links_left;
        match plan.refused {
            None => {}
            Some(
                refusal @ (MailRefusal::Placeholder(at)
                | MailRefusal::Damaged(at)
                | MailRefusal::Another(at)),
            ) => {
                let (code, field, part) = if is_html_refused {
                    (codes::INVALID_HTML, "html", &outgoing.html)
                } else {
                    (codes::INVALID_TEXT, "text", &outgoing.text)
                };
                let message = not_mended(refusal, field, part.as_deref().unwrap_or_default(), at);
                return Ok(Err(Rejection::of(code, field, message)));
            }
            Some(MailRefusal::Links) if most < MAX_MESSAGE_LINKS => {
                return Err(RegisterError::TooManyLinksInAll);
            }
            Some(MailRefusal::Links) => return Err(RegisterError::TooManyLinks),
            Some(MailRefusal::Tangle) => return Err(RegisterError::Tangle),
        }
        let found = most - plan.links_left - plan.parts;
        let (mut links, mut skipped) = (Vec::new(), Vec::new());
        let mut body = |part: Option<crate::instrument::Instrumented>| {
            let part = part?;
            links.extend(part.links);
            skipped.extend(part.skipped);
            Some(part.body)
        };
        let (html, text) = (body(html), body(text));
        let is_clipped = html.as_ref().is_some_and(|html| html.len() > CLIPPED_BYTES);
        let answer = MessageAnswer {
            success: true,
            message_id: draft.message_id.clone(),
            id: making.id.to_string(),
            seq: seq.to_string(),
            html,
            text,
            links,
            skipped,
            headers: MessageHeaders {
                list_unsubscribe: format!("<{unsubscribe_url}>"),
                list_unsubscribe_post: "List-Unsubscribe=One-Click".to_owned(),
            },
            unsubscribe_url,
            unsubscribed_at: None,
            warnings: is_clipped.then(|| CLIPPED.to_owned()).into_iter().collect(),
            ignored_fields: draft.ignored_fields.clone(),
            hints: draft.hints.clone(),
        };
        let sent = [&outgoing.html, &outgoing.text].map(written);
        let most =
            2 * sent.iter().sum::<usize>() + ANSWER_BYTES + ANSWER_LINK_BYTES * found as usize;
        if answer.written() > most {
            return Err(RegisterError::AnswerTooLarge);
        }
        Ok(Ok(answer))
    }
}

/// What to do about a part that cannot be sent as it is. The place is named, and nothing of what stands
/// there: it may be personal.
fn not_mended(refusal: MailRefusal, field: &str, part: &str, at: usize) -> String {
    let (line, column) = line_and_column(part, at);
    let place = format!("`{field}`, line {line}, column {column}");
    match refusal {
        MailRefusal::Placeholder(_) => format!(
            "{place}: the unsubscribe placeholder cannot become a link here and would be sent as it stands; let \
             {{{{unsubscribe_url}}}} be the whole of a link, or a word of its own"
        ),
        MailRefusal::Another(_) => format!(
            "{place}: this address was made for another message, and cannot be made anew where it stands; put the \
             original address there"
        ),
        _ => format!(
            "{place}: this address of the tracker is damaged and leads nowhere; put the original address there"
        ),
    }
}

fn utm(parameters: &UtmParameters) -> Utm {
    let UtmParameters {
        source,
        medium,
        campaign,
        term,
        content,
    } = parameters.clone();
    Utm {
        source,
        medium,
        campaign,
        term,
        content,
    }
}
