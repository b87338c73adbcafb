//! Who is in front of the browser: the anonymousId, and the contact once identified.

use alloc::string::String;

use crate::browser::Browser;
use crate::config::Config;

/// The names in storage.
const ANONYMOUS: &str = "anonymous";
const EMAIL: &str = "email";

/// Who is known. Both are empty in an anonymous page.
pub struct Identity {
    /// The browser; a UUID.
    pub anonymous_id: String,
    /// The address of the last `identify` as a JSON text, empty before.
    pub email: String,
}

impl Identity {
    /// Reads what an earlier page kept; a browser without an id gets one.
    pub fn open(browser: &impl Browser, config: &Config) -> Identity {
        let mut identity = Identity {
            anonymous_id: String::new(),
            email: String::new(),
        };
        if config.anonymous {
            return identity;
        }
        if config.persistent {
            identity.anonymous_id = browser.read(ANONYMOUS);
            identity.email = browser.read(EMAIL);
        }
        if identity.anonymous_id.is_empty() {
            identity.renew(browser, config);
        }
        identity
    }

    /// Names the contact, for the events to come.
    pub fn identify(&mut self, browser: &impl Browser, config: &Config, email: &str) {
        self.email = email.into();
        if config.persistent {
            browser.write(EMAIL, email);
        }
    }

    /// Forgets the contact, and takes a new anonymousId: another person may follow.
    pub fn renew(&mut self, browser: &impl Browser, config: &Config) {
        self.email = String::new();
        if config.anonymous {
            return;
        }
        self.anonymous_id = browser.uuid();
        if config.persistent {
            browser.write(ANONYMOUS, &self.anonymous_id);
            browser.write(EMAIL, "");
        }
    }
}
