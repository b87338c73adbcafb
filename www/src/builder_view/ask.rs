//! Asking the collector: what the draft comes to, one question at a time, and everything else with the session's token.

use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use web_sys::AbortController;

use super::{Builder, PATIENCE, PAUSE};
use crate::builder::answers::Preview;
use crate::builder::counting::Trouble;
use crate::dom::report;
use crate::http::{self, Failure};
use crate::people_view::say;
use crate::session;

impl Builder {
    /// Asks once nothing has been typed for a moment.
    pub(super) async fn count_after_pause(self: Rc<Self>) {
        let edit = self.edits.get();
        TimeoutFuture::new(PAUSE).await;
        if self.edits.get() == edit && self.door.is_open() {
            self.count().await;
        }
    }

    /// Asks what the draft comes to, and once more where it has become another one meanwhile.
    pub(super) async fn count(self: Rc<Self>) {
        loop {
            let asked = self.counting.borrow_mut().ask();
            let Some(json) = asked else {
                return report(self.tell_count());
            };
            report(self.tell_count());
            let turn = self.turn.get();
            let body = format!("{{\"definition\":{json}}}");
            let answer = self
                .send("POST", "/v1/segments/preview", Some(&body), true)
                .await;
            let answer = answer.and_then(|text| http::read::<Preview>(&text));
            if self.turn.get() != turn {
                return;
            }
            let answer = match answer {
                Ok(preview) => Ok(preview),
                Err(failure) if self.has_ended(&failure).await => return,
                Err(Failure::Unreachable) => Err(Trouble::Offline),
                Err(Failure::Refused(503, words)) => Err(Trouble::Building(words)),
                Err(failure) => Err(Trouble::Refused(failure.words())),
            };
            self.counting.borrow_mut().answered(answer);
            report(self.tell_count());
            let passes = self
                .counting
                .borrow()
                .trouble()
                .is_some_and(Trouble::passes);
            if passes {
                TimeoutFuture::new(PATIENCE).await;
                if self.turn.get() != turn {
                    return;
                }
                let is_still = self
                    .counting
                    .borrow()
                    .trouble()
                    .is_some_and(Trouble::passes);
                if is_still {
                    self.counting.borrow_mut().again();
                }
            }
        }
    }

    /// A call that changes or tries something, with the session's token; a question can be ended.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
        is_question: bool,
    ) -> Result<String, Failure> {
        let csrf = self.door.csrf();
        let end = AbortController::new().ok().filter(|_| is_question);
        let signal = end.as_ref().map(AbortController::signal);
        if is_question {
            self.question.replace(end);
        }
        http::call_until(method, path, body, csrf.as_deref(), signal.as_ref()).await
    }

    pub(super) fn stop_question(&self) {
        if let Some(question) = self.question.take() {
            question.abort();
        }
    }

    /// Whether the session has ended; leads to the door then. A server may also refuse what its sessions may not do.
    pub(super) async fn has_ended(&self, failure: &Failure) -> bool {
        let ended = failure.is_unauthorised()
            && matches!(session::current().await, Err(Failure::Refused(401, _)));
        if ended && let Some(at_end) = self.at_end.get() {
            at_end();
        }
        ended
    }

    /// Says what went wrong.
    pub(super) async fn fail(&self, failure: &Failure) {
        if !self.has_ended(failure).await {
            report(say(&self.parts.note, Some(&failure.words())));
        }
    }
}
