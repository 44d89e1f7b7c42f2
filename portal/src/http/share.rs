//! Where a request comes from, and how much of the server one address may have.

use axum::http::HeaderMap;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The address at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The address that a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client(pub(crate) IpAddr);

impl Client {
    /// The peer, or whom the proxies in front of the server name: the last address that is none of theirs. Nobody
    /// else's `X-Forwarded-For` is believed.
    pub(crate) fn of(peer: Option<Peer>, headers: &HeaderMap, proxies: &[IpAddr]) -> Self {
        let peer = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |Peer(address)| {
            address.to_canonical()
        });
        if !proxies.contains(&peer) {
            return Self(network(peer));
        }
        let named: Vec<IpAddr> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|part| part.trim().parse::<IpAddr>().ok())
            .map(|address| address.to_canonical())
            .collect();
        let client = named
            .into_iter()
            .rev()
            .find(|address| !proxies.contains(address))
            .unwrap_or(peer);
        Self(network(client))
    }
}

/// Whoever has one address of IPv6 has 2^64 of them: a network counts as one.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let bits = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(bits))
        }
    }
}

/// How many of something each address has; the last one given back forgets the address.
#[derive(Clone, Default)]
pub(crate) struct Shares(Arc<Mutex<HashMap<Client, usize>>>);

/// One of them, given back when it is dropped.
pub(crate) struct Share {
    of: Shares,
    client: Client,
}

impl Shares {
    /// One more for an address, unless it has `max` already.
    pub(crate) fn take(&self, client: Client, max: usize) -> Option<Share> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(client).or_insert(0);
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Share {
            of: self.clone(),
            client,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn client(peer: &str, forwarded: &[&str], proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let proxies: Vec<IpAddr> = proxies.iter().map(|text| text.parse().unwrap()).collect();
        Client::of(Some(Peer(peer.parse().unwrap())), &headers, &proxies)
            .0
            .to_string()
    }

    #[test]
    fn only_a_proxy_names_somebody_else() {
        for (peer, forwarded, proxies, expect) in [
            (
                "10.0.0.9",
                &["1.2.3.4"] as &[&str],
                &[] as &[&str],
                "10.0.0.9",
            ),
            ("10.0.0.9", &["1.2.3.4"], &["10.0.0.9"], "1.2.3.4"),
            ("::ffff:10.0.0.9", &["1.2.3.4"], &["10.0.0.9"], "1.2.3.4"),
            // What the client wrote itself stands on the left and is not looked at.
            ("10.0.0.9", &["6.6.6.6, 1.2.3.4"], &["10.0.0.9"], "1.2.3.4"),
            (
                "10.0.0.9",
                &["6.6.6.6", "1.2.3.4, 10.0.0.8"],
                &["10.0.0.9", "10.0.0.8"],
                "1.2.3.4",
            ),
            ("10.0.0.9", &["nonsense"], &["10.0.0.9"], "10.0.0.9"),
            ("10.0.0.9", &[], &["10.0.0.9"], "10.0.0.9"),
            ("2001:db8:1:2:3:4:5:6", &[], &[], "2001:db8:1:2::"),
        ] {
            assert_eq!(
                client(peer, forwarded, proxies),
                expect,
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn a_share_comes_back_and_others_are_not_touched() {
        let shares = Shares::default();
        let one = Client("10.0.0.1".parse().unwrap());
        let two = Client("10.0.0.2".parse().unwrap());
        let first = shares.take(one, 2).unwrap();
        let second = shares.take(one, 2).unwrap();
        assert!(shares.take(one, 2).is_none());
        assert!(shares.take(two, 2).is_some());
        drop(first);
        let third = shares.take(one, 2);
        assert!(third.is_some());
        drop((second, third));
        assert!(shares.0.lock().unwrap().is_empty());
    }
}
