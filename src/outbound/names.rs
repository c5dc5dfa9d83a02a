//! From a name to addresses that may be called.
//!
//! A name is looked up once for a connection, what comes back is checked, and the connection goes to what
//! was checked: an answer that is another one a moment later changes nothing.

use std::{io, net::SocketAddr, pin::Pin, sync::Arc, task};

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name as PassingName;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower::Service;

use super::address;

/// What a name means; the system's own knowledge, unless a test answers.
pub trait Names: Send + Sync {
    /// The addresses behind a name; ports are of no meaning.
    fn look_up(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// What the system says.
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    }
}

type Refused = Box<dyn std::error::Error + Send + Sync>;

/// Keeps only addresses that may be called. A name with any other address is refused whole: an
/// attacker's name that mixes both is not a name to trust.
#[derive(Clone)]
pub(super) struct PublicOnly(pub(super) Arc<dyn Names>);

impl PublicOnly {
    async fn resolve(self, name: String) -> Result<Vec<SocketAddr>, Refused> {
        let found = self.0.look_up(name).await?;
        for address in &found {
            address::check(address.ip())?;
        }
        Ok(found)
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let resolving = self.clone().resolve(name.as_str().to_owned());
        Box::pin(async move { Ok(Box::new(resolving.await?.into_iter()) as Addrs) })
    }
}

impl Service<PassingName> for PublicOnly {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Refused;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<Result<(), Self::Error>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: PassingName) -> Self::Future {
        let resolving = self.clone().resolve(name.as_str().to_owned());
        Box::pin(async move { Ok(resolving.await?.into_iter()) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Says another address each time it is asked.
    #[derive(Default)]
    struct Changing(AtomicUsize);

    impl Names for Changing {
        fn look_up(&self, _: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
            let answer = ["1.1.1.1:0", "127.0.0.1:0"][self.0.fetch_add(1, Ordering::SeqCst) % 2];
            Box::pin(async move { Ok(vec![answer.parse().expect("an address")]) })
        }
    }

    /// Security O3: what is called is what was checked, so the second answer is never asked for.
    #[tokio::test]
    async fn a_name_that_changes_its_answer_is_looked_up_once_for_a_connection() {
        let names = Arc::new(Changing::default());
        let mut public = PublicOnly(names.clone());
        let name = || "rebind.example".parse::<PassingName>().expect("a name");

        let first: Vec<_> = public.call(name()).await.expect("a public address").collect();
        let asked = names.0.load(Ordering::SeqCst);
        let second = public.call(name()).await;

        assert_eq!(first, ["1.1.1.1:0".parse().expect("an address")]);
        assert_eq!(asked, 1);
        assert!(second.is_err());
    }
}
