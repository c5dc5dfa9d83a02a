//! Finds out what the account has, before the connection is made: a site, a company, a data centre.

use super::provider::Provider;
use crate::{
    catalog::connector::Discover,
    model::{Choice, Failure, FailureKey, Progress},
    protocol::discover::{Item, items},
};

/// What came of looking.
pub(super) enum Discovery {
    /// Everything is known.
    Complete,
    /// The customer has to choose; what each item keeps is in the progress.
    Several(Choice),
}

impl Provider<'_> {
    /// Makes the option's discovery calls from `first` on, and keeps what they find.
    pub(super) async fn discover(
        &mut self,
        progress: &mut Progress,
        first: usize,
    ) -> Result<Discovery, Failure> {
        let calls = self.option.discover.clone();
        for (step, call) in calls.iter().enumerate().skip(first) {
            let mut found = self.look(call).await?;
            if found.len() > 1 && call.pick.is_some() {
                progress.items = found.iter_mut().map(|item| std::mem::take(&mut item.kept)).collect();
                let items = found.into_iter().map(|item| (item.id, item.label)).collect();
                return Ok(Discovery::Several(Choice { step, items }));
            }
            let Some(one) = found.into_iter().next() else { return Err(self.nothing_found()) };
            if call.pick.is_some() {
                progress.picked.push((one.id, one.label));
            }
            progress.credentials.kept.extend(one.kept);
            self.learn(&progress.credentials);
        }
        Ok(Discovery::Complete)
    }

    async fn look(&self, call: &Discover) -> Result<Vec<Item>, Failure> {
        let name = &self.view.name;
        let reply = self.call_api(&call.request).await.map_err(|error| error.failure(name))?;
        self.judge(&call.request, &reply)?;
        let body = serde_json::from_slice(&reply.body).map_err(|_| {
            let message = format!("{name} gave an answer that could not be read. Please try again.");
            Failure::new(FailureKey::ProviderUnreachable, message)
        })?;
        Ok(items(call, &body))
    }

    fn nothing_found(&self) -> Failure {
        let name = &self.view.name;
        let message = format!(
            "This {name} account has nothing to connect yet. Finish setting it up at {name}, or choose another account."
        );
        Failure::new(FailureKey::NothingFound, message)
    }
}
