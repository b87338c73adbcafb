//! Registering what is sent: a message gets a place in the log and comes back instrumented, with a
//! pixel, tracked links and an unsubscribe link. The same messageId again gives the same answer: what
//! its tokens need (the time of sending, the key) stands in its record. Not the routes, nor how a
//! part is rewritten (`instrument`).

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::ids::EventId;
use shared::limits::{MAX_MESSAGE_LINKS, MAX_REQUEST_LINKS};
use shared::rejection::{Rejection, codes};
use shared::time::Timestamp;
use shared::wire::{Outgoing, ParsedMessage, TrackClicks, UtmParameters};
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::ids::{self, DerivedId, new_id};
use crate::instrument::{
    Held, Plan, Refusal, SkipReason, SkippedLink, Targets, TrackedLink, Utm, instrument_html,
    instrument_text, line_and_column,
};
use crate::limits::heavy::Turn;
use crate::locks::lock;
use crate::log::decide::WorkspaceKeys as _;
use crate::log::identity::Sender;
use crate::log::public_seq::PublicSeq;
use crate::log::record::{
    Address, ContactId, Entry, Fact, MessageType, Personal, Record, Source, WorkspaceId,
};
use crate::log::redb::RedbLog;
use crate::log::suppression::{Cause, Suppression};
use crate::log::{Appended, Log as _, LogError, Submission};
use crate::meta::Meta;
use crate::metrics::reasons;
use crate::targets;
use crate::token::{MAX_TOKEN_CHARS, Sent, Token, TokenKind};

/// The code of a message that is on record with other content.
const MESSAGE_CONFLICT: &str = "message_conflict";
/// What a message may come back as, beyond twice what was sent of it: so many bytes, and so many for
/// each link (design.md 4.2).
const ANSWER_BYTES: usize = 4 * 1024;
const ANSWER_LINK_BYTES: usize = 400;

/// Gmail shows the first 102 KB of a mail and cuts off the rest, with a pixel at its end.
const CLIPPED_BYTES: usize = 100_000;
const CLIPPED: &str = "the HTML part is larger than 100 KB: Gmail cuts it off at 102 KB, and a pixel at its end is not loaded then; \
     send `pixel` as start, or a shorter mail";

/// A message that is on record, ready to be sent.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageAnswer {
    /// Always true.
    pub success: bool,
    /// As sent, or as made.
    #[schema(example = "spring-42")]
    pub message_id: String,
    /// The identity of the event `email_sent`.
    pub id: String,
    /// Its place among the workspace's events: opaque, 24 digits that sort as texts; reads take it as
    /// `minSeq`.
    #[schema(pattern = "^[0-9]{24}$", example = "011764201600123456000000")]
    pub seq: String,
    /// The HTML part, to be sent as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub html: Option<String>,
    /// The text part, to be sent as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub text: Option<String>,
    /// The links that are tracked, in the order of the text.
    #[schema(value_type = Vec<Link>)]
    pub links: Vec<TrackedLink>,
    /// The links that stayed as they were, each with its reason.
    #[schema(value_type = Vec<Skipped>)]
    pub skipped: Vec<SkippedLink>,
    /// Where a person unsubscribes: a page with a button.
    #[schema(example = "https://track.example/mail/unsubscribe/AQM…")]
    pub unsubscribe_url: String,
    /// Headers to send the message with (RFC 2369, RFC 8058).
    pub headers: MessageHeaders,
    /// When the contact asked for no more mail, RFC 3339; absent where they did not, or where that was
    /// lifted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-11-23T10:00:00Z")]
    pub unsubscribed_at: Option<String>,
    /// What to look at before it is sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Fields that were sent and not used, as JSON paths, at most 32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored_fields: Vec<String>,
    /// What to send in their place, where one comes near a field that was not sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// Headers to send a message with.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct MessageHeaders {
    #[serde(rename = "List-Unsubscribe")]
    #[schema(example = "<https://track.example/mail/unsubscribe/AQM…>")]
    pub list_unsubscribe: String,
    #[serde(rename = "List-Unsubscribe-Post")]
    #[schema(example = "List-Unsubscribe=One-Click")]
    pub list_unsubscribe_post: String,
}

/// A tracked link, as the document describes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the fields stand for the document alone")]
struct Link {
    /// Its number within the message, from 0; clicks name it.
    index: u32,
    /// Where it leads.
    url: String,
}

/// A link that stayed as it was, as the document describes it.
#[derive(ToSchema)]
#[schema(as = SkippedLink)]
#[expect(dead_code, reason = "the fields stand for the document alone")]
struct Skipped {
    url: String,
    reason: SkipReason,
}

/// Hides the parts and to whom they go.
impl std::fmt::Debug for MessageAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageAnswer")
            .field("message_id", &self.message_id)
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}

impl MessageAnswer {
    /// About how many bytes of JSON its parts and links are; the rest is small.
    fn written(&self) -> usize {
        // `{"index":12345,"url":"…"},` and `{"url":"…","reason":"…"},`
        const LINK: usize = 40;
        let links = self.links.iter().map(|link| &link.url);
        let urls = links.chain(self.skipped.iter().map(|link| &link.url));
        let urls: usize = urls.map(|url| written_text(url) + LINK).sum();
        written(&self.html) + written(&self.text) + urls
    }
}

fn written(text: &Option<String>) -> usize {
    text.as_deref().map_or(0, written_text)
}

/// How many bytes of JSON a text is.
fn written_text(text: &str) -> usize {
    let more = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
        0..0x20 => 5,
        _ => 0,
    };
    text.len() + text.bytes().map(more).sum::<usize>()
}

/// A message to be registered.
pub struct Draft {
    pub message_id: String,
    pub outgoing: Outgoing,
    /// Fields that were sent and not known.
    pub ignored_fields: Vec<String>,
    /// What to send in their place.
    pub hints: Vec<String>,
}

impl Draft {
    /// The draft of what was parsed, with a messageId of its own where none came.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn of(parsed: ParsedMessage) -> Result<Self, Rejection> {
        let message_id = parsed.message_id.map_or_else(
            || format!("msg_{}", new_id().to_string().replace('-', "")),
            |id| id.as_str().to_owned(),
        );
        Ok(Self {
            message_id,
            outgoing: parsed.outcome?,
            ignored_fields: parsed.unknown_fields,
            hints: Vec::new(),
        })
    }
}

/// What became of a draft.
pub enum Outcome {
    /// On disk by this call, or on disk before with the same content.
    Registered {
        answer: Box<MessageAnswer>,
        is_new: bool,
    },
    /// On record with other content.
    Conflict {
        rejection: Rejection,
        fields: Vec<&'static str>,
    },
    /// Its contact is suppressed, or one of its parts cannot be sent as it is.
    Refused(Rejection),
}

/// Registers messages of one caller.
pub struct Registrar {
    pub log: Arc<RedbLog>,
    pub meta: Arc<Meta>,
    /// Where mail clients reach the server, without a slash at the end.
    pub public_url: String,
    pub workspace: WorkspaceId,
    pub key_id: Option<String>,
    pub received_at: Timestamp,
    /// Where it has one, its turn among those whose work takes long: held until there is only waiting
    /// left.
    pub turn: Mutex<Option<Turn>>,
}

/// Why messages were not registered: none of them was that had not been before.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{}", MESSAGE_LINKS)]
    TooManyLinks,
    #[error("{}", REQUEST_LINKS)]
    TooManyLinksInAll,
    #[error("{}", TANGLE)]
    Tangle,
    /// A message would come back far larger than it was sent.
    #[error("with its tracked links a message would be far larger than what was sent")]
    AnswerTooLarge,
}

impl RegisterError {
    /// One of [`reasons::MESSAGES`], of those that are the sender's affair.
    pub fn reason(&self) -> Option<&'static str> {
        let [links, in_all, tangle, answer] = reasons::MESSAGES;
        match self {
            Self::Log(_) => None,
            Self::TooManyLinks => Some(links),
            Self::TooManyLinksInAll => Some(in_all),
            Self::Tangle => Some(tangle),
            Self::AnswerTooLarge => Some(answer),
        }
    }
}

const MESSAGE_LINKS: &str = "a message takes at most 10000 links: leave some out";
const TANGLE: &str =
    "the markup is a tangle of elements without an end and end tags without an element: mend it";
const REQUEST_LINKS: &str =
    "a request takes at most 100000 links in all: send fewer messages at once";

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Log(error) => error.into(),
            RegisterError::TooManyLinks => Self::TooManyLinks(MESSAGE_LINKS),
            RegisterError::TooManyLinksInAll => Self::TooManyLinks(REQUEST_LINKS),
            RegisterError::Tangle => {
                Self::Rejected(Rejection::of(codes::INVALID_HTML, "html", TANGLE))
            }
            RegisterError::AnswerTooLarge => Self::AnswerTooLarge,
        }
    }
}

/// What a send is recorded under, and its tokens are made with.
struct Making {
    id: EventId,
    contact: ContactId,
    sent_at: Timestamp,
    token_key: u32,
}

enum Step {
    Done(Outcome),
    New(Box<Submission>, Box<MessageAnswer>),
}

/// Registers drafts; one outcome for each, in order. All that are new are on disk when it returns, or
/// none is.
///
/// # Errors
/// See [`RegisterError`].
pub async fn register(
    registrar: Arc<Registrar>,
    drafts: Vec<Draft>,
) -> Result<Vec<Outcome>, RegisterError> {
    let drafts = Arc::new(drafts);
    let all = (0..drafts.len()).collect();
    let mut submissions = Vec::new();
    let mut waiting = Vec::new();
    let mut outcomes: Vec<Option<Outcome>> = Vec::new();
    for (at, step) in steps(&registrar, &drafts, all)
        .await?
        .into_iter()
        .enumerate()
    {
        outcomes.push(match step {
            Step::Done(outcome) => Some(outcome),
            Step::New(submission, answer) => {
                submissions.push(*submission);
                waiting.push((at, answer));
                None
            }
        });
    }
    drop(lock(&registrar.turn).take());
    let appended = registrar.log.append(submissions).await?;
    let mut overtaken = Vec::new();
    for ((at, mut answer), appended) in waiting.into_iter().zip(appended) {
        if let Appended::Tracked { public_seq, .. } = appended {
            answer.seq = public_seq.to_string();
            let is_new = true;
            outcomes[at] = Some(Outcome::Registered { answer, is_new });
        } else {
            // Another call, or an earlier draft of this one, was faster.
            overtaken.push(at);
        }
    }
    let again = steps(&registrar, &drafts, overtaken.clone()).await?;
    for (at, step) in overtaken.into_iter().zip(again) {
        if let Step::Done(outcome) = step {
            outcomes[at] = Some(outcome);
        }
    }
    let outcomes: Option<Vec<_>> = outcomes.into_iter().collect();
    // A duplicate is found unless its segment was set aside in this very moment.
    outcomes.ok_or(RegisterError::Log(LogError::Unavailable))
}

/// Looks the drafts at these places up and instruments them, where both may take their time.
async fn steps(
    registrar: &Arc<Registrar>,
    drafts: &Arc<Vec<Draft>>,
    places: Vec<usize>,
) -> Result<Vec<Step>, RegisterError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let (registrar, drafts) = (Arc::clone(registrar), Arc::clone(drafts));
    let work = move || {
        let mut links_left = MAX_REQUEST_LINKS;
        let step = |at: usize| registrar.step(&drafts[at], &mut links_left);
        places.into_iter().map(step).collect()
    };
    let failed = |error| LogError::Storage(format!("registering messages: {error}")).into();
    let worked = tokio::task::spawn_blocking(work).await;
    worked.unwrap_or_else(|error| Err(failed(error)))
}

impl Registrar {
    /// `links_left` is how many links the request may still have.
    fn step(&self, draft: &Draft, links_left: &mut u32) -> Result<Step, RegisterError> {
        let key = self
            .meta
            .key_of(self.workspace)
            .ok_or(LogError::Unavailable)?;
        let contact = key.contact(draft.outgoing.email.normalised());
        let held = self.log.suppressions().get((self.workspace, contact))?;
        if let Some(held) = &held
            && draft.outgoing.refuse_unsubscribed
            && !draft.outgoing.is_transactional
        {
            return Ok(Step::Done(Outcome::Refused(suppressed(held))));
        }
        let unsubscribed_at = held.and_then(|held| held.since(Cause::Unsubscribed));
        let unsubscribed_at = unsubscribed_at.map(|at| Timestamp::from_millis(at).to_string());
        // One for each messageId of a workspace.
        let derived = ids::of_send(&key, &draft.message_id);
        let Some(record) = self.find(derived)? else {
            let making = Making {
                id: derived.id,
                contact,
                sent_at: draft.outgoing.sent_at.unwrap_or(self.received_at),
                token_key: self.meta.token_keys().current().id,
            };
            let mut answer = match self.instrument(draft, &making, PublicSeq::START, links_left)? {
                Ok(answer) => answer,
                Err(rejection) => return Ok(Step::Done(Outcome::Refused(rejection))),
            };
            answer.unsubscribed_at = unsubscribed_at;
            let submission = Submission {
                older: Some(derived.older),
                ..Submission::from(self.entry(draft, &making, different_pages(&answer)))
            };
            return Ok(Step::New(Box::new(submission), Box::new(answer)));
        };
        let fields = differing_fields(&record, draft);
        if !fields.is_empty() {
            let message = format!(
                "this messageId is on record with a different {}: a message is registered once, another one needs \
                 another messageId",
                fields.join(", ")
            );
            let rejection = Rejection {
                code: MESSAGE_CONFLICT,
                message,
                field: fields.first().map(|field| (*field).to_owned()),
            };
            return Ok(Step::Done(Outcome::Conflict { rejection, fields }));
        }
        let token_key = match record.entry.fact {
            Fact::Send { token_key, .. } => token_key,
            _ => self.meta.token_keys().current().id,
        };
        // Tokens that were made under an older rule of addresses are made again as they were.
        let address = record.entry.address.as_ref();
        let address = address.map_or(draft.outgoing.email.normalised(), Address::as_recorded);
        let making = Making {
            id: record.entry.id,
            contact: key.contact(address),
            sent_at: record.entry.time,
            token_key,
        };
        let outcome = match self.instrument(draft, &making, record.public_seq, links_left)? {
            Ok(mut answer) => {
                answer.unsubscribed_at = unsubscribed_at;
                Outcome::Registered {
                    answer: Box::new(answer),
                    is_new: false,
                }
            }
            Err(rejection) => Outcome::Refused(rejection),
        };
        Ok(Step::Done(outcome))
    }

    /// The send's record, at any age, also under the id that older versions gave it.
    fn find(&self, DerivedId { id, older }: DerivedId) -> Result<Option<Record>, LogError> {
        let find = |id| self.log.find(self.workspace, Sender::System, id);
        match find(id)? {
            Some(record) => Ok(Some(record)),
            None => find(older),
        }
    }

    /// The answer, or why a part of the message cannot be sent as it is.
    fn instrument(
        &self,
        draft: &Draft,
        making: &Making,
        seq: PublicSeq,
        links_left: &mut u32,
    ) -> Result<Result<MessageAnswer, Rejection>, RegisterError> {
        let outgoing = &draft.outgoing;
        let most = MAX_MESSAGE_LINKS.min(*links_left);
        let sent = Sent {
            workspace: self.workspace,
            message_id: draft.message_id.clone(),
            contact: making.contact,
            campaign_id: campaign_id(outgoing),
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
                refusal @ (Refusal::Placeholder(at) | Refusal::Damaged(at) | Refusal::Another(at)),
            ) => {
                let (code, field, part) = if is_html_refused {
                    (codes::INVALID_HTML, "html", &outgoing.html)
                } else {
                    (codes::INVALID_TEXT, "text", &outgoing.text)
                };
                let message = not_mended(refusal, field, part.as_deref().unwrap_or_default(), at);
                return Ok(Err(Rejection::of(code, field, message)));
            }
            Some(Refusal::Links) if most < MAX_MESSAGE_LINKS => {
                return Err(RegisterError::TooManyLinksInAll);
            }
            Some(Refusal::Links) => return Err(RegisterError::TooManyLinks),
            Some(Refusal::Tangle) => return Err(RegisterError::Tangle),
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

    /// `targets` is how many different pages its tracked links lead to.
    fn entry(&self, draft: &Draft, making: &Making, targets: u32) -> Entry {
        let outgoing = &draft.outgoing;
        Entry {
            workspace: self.workspace,
            id: making.id,
            time: making.sent_at,
            time_sent: outgoing.sent_at.is_some(),
            received_at: self.received_at,
            source: Source::Server,
            key_id: self.key_id.clone(),
            verified: true,
            address: Some(Address::from(&outgoing.email)),
            anonymous_id: None,
            message_id: Some(draft.message_id.clone()),
            fact: Fact::Send {
                campaign_id: campaign_id(outgoing),
                message_type: message_type(outgoing),
                subject: outgoing.subject.clone().map(Personal),
                content: content(outgoing),
                token_key: making.token_key,
                targets: Some(targets),
            },
            money: None,
            rounded: false,
            context: None,
            client: None,
            class: None,
            ignored_fields: draft.ignored_fields.clone(),
            redacted: false,
            timing: None,
        }
    }
}

/// Why a campaign's message to a contact is refused.
fn suppressed(held: &Suppression) -> Rejection {
    let refuse = |code, message: &str| Rejection::of(code, "email", message.to_owned());
    if held.since(Cause::Unsubscribed).is_some() {
        return refuse(
            codes::UNSUBSCRIBED,
            "this contact has unsubscribed: send them no campaign, or leave `refuseUnsubscribed` out",
        );
    }
    refuse(
        codes::SUPPRESSED,
        "this contact is suppressed, see GET /v1/suppressions: send them no campaign, or leave \
         `refuseUnsubscribed` out",
    )
}

/// The names of the fields in which a draft differs from what is on record.
fn differing_fields(record: &Record, draft: &Draft) -> Vec<&'static str> {
    let (entry, outgoing) = (&record.entry, &draft.outgoing);
    let Fact::Send {
        campaign_id: known_campaign,
        message_type: known_type,
        subject,
        content: known_content,
        ..
    } = &entry.fact
    else {
        return vec!["messageId"];
    };
    let normalised = outgoing.email.normalised();
    // Of an erased send nobody knows any more to whom it went.
    let address = entry.address.as_ref();
    let address_differs = address.is_some_and(|address| address.normalised.0 != normalised);
    let subject = subject.as_ref().map(|subject| subject.0.as_str());
    let times_differ = match outgoing.sent_at {
        Some(sent_at) => entry.time_sent && entry.time != sent_at,
        None => false,
    };
    [
        ("email", address_differs),
        ("campaignId", *known_campaign != campaign_id(outgoing)),
        ("type", *known_type != message_type(outgoing)),
        (
            "subject",
            !entry.redacted && subject != outgoing.subject.as_deref(),
        ),
        ("sentAt", times_differ),
        ("content", *known_content != content(outgoing)),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect()
}

/// How many different pages the tracked links of a message lead to.
fn different_pages(answer: &MessageAnswer) -> u32 {
    targets::different(answer.links.iter().map(|link| link.url.as_str()))
}

/// A digest of what is instrumented, and how.
fn content(outgoing: &Outgoing) -> [u8; 32] {
    let utm = outgoing.utm.clone().unwrap_or_default();
    let texts = [
        outgoing.html.as_ref(),
        outgoing.text.as_ref(),
        utm.source.as_ref(),
        utm.medium.as_ref(),
        utm.campaign.as_ref(),
        utm.term.as_ref(),
        utm.content.as_ref(),
    ];
    let mut digest = Sha256::new();
    let track_clicks = match outgoing.track_clicks {
        TrackClicks::Nowhere => 0,
        TrackClicks::Everywhere => 1,
        TrackClicks::Html => 2,
    };
    digest.update([outgoing.track_opens.into(), track_clicks]);
    for text in texts {
        // An absent text is none of any length.
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        digest.update(length.to_le_bytes());
        digest.update(text.map_or("", String::as_str));
    }
    if outgoing.is_pixel_first {
        // Digests of older versions know no other place than the end.
        digest.update(b"pixel first");
    }
    digest.finalize().into()
}

/// What to do about a part that cannot be sent as it is. The place is named, and nothing of what stands
/// there: it may be personal.
fn not_mended(refusal: Refusal, field: &str, part: &str, at: usize) -> String {
    let (line, column) = line_and_column(part, at);
    let place = format!("`{field}`, line {line}, column {column}");
    match refusal {
        Refusal::Placeholder(_) => format!(
            "{place}: the unsubscribe placeholder cannot become a link here and would be sent as it stands; let \
             {{{{unsubscribe_url}}}} be the whole of a link, or a word of its own"
        ),
        Refusal::Another(_) => format!(
            "{place}: this address was made for another message, and cannot be made anew where it stands; put the \
             original address there"
        ),
        _ => format!(
            "{place}: this address of the tracker is damaged and leads nowhere; put the original address there"
        ),
    }
}

fn campaign_id(outgoing: &Outgoing) -> Option<String> {
    let campaign_id = outgoing.campaign_id.as_ref();
    campaign_id.map(|id| id.as_str().to_owned())
}

fn message_type(outgoing: &Outgoing) -> MessageType {
    if outgoing.is_transactional {
        MessageType::Transactional
    } else {
        MessageType::Campaign
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
