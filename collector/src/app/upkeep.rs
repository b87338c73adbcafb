//! What a running collector does for `misar backup` and `misar doctor`.

use super::App;
use crate::backup::{self, BackupAsk, BackupReport, Sources};
use crate::doctor::{self, Server, UntrustedProxy};
use crate::public_url::{PUBLIC_URL_MISSING, Reach};

impl App {
    /// Makes a backup beside the traffic. Blocks on disk.
    ///
    /// # Errors
    /// A sentence for whoever runs the command.
    pub(crate) fn backup(
        &self,
        ask: &BackupAsk,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<BackupReport, String> {
        let sources = Sources {
            data: &self.data,
            meta: &self.meta,
            log: &self.durable,
            rejected: Some(&self.rejected),
        };
        backup::take(&sources, ask, progress)
    }

    /// How the store and this server are. Blocks on disk.
    pub(crate) fn diagnose(&self) -> doctor::Report {
        let server = Server {
            not_ready: self.readiness().err().map(str::to_owned),
            view_lag_ms: self.projector.lag_ms(),
            views_building: self.views.building().map(|building| building.percent()),
            public_url: self.public_url.as_str().to_owned(),
            public_url_warning: match self.public_url.reach() {
                Reach::Guessed => Some(PUBLIC_URL_MISSING.to_owned()),
                _ => self.public_url.warning(),
            },
            untrusted_proxies: self.untrusted_proxies(),
        };
        doctor::diagnose(&self.data, &self.meta, Ok(&self.durable), Some(server))
    }

    fn untrusted_proxies(&self) -> Vec<UntrustedProxy> {
        let mut seen = self.proxies_seen.networks();
        seen.sort_by_key(|(_, requests)| std::cmp::Reverse(*requests));
        seen.into_iter()
            .map(|(network, requests)| UntrustedProxy {
                network: network.to_string(),
                requests,
            })
            .collect()
    }
}
