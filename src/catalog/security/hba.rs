//! Lines of `pg_hba.conf`.

use std::borrow::Cow;
use std::net::IpAddr;

/// By which way a line lets in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HbaConnection {
    /// The Unix socket.
    Local,
    /// TCP/IP, encrypted or not.
    #[default]
    Host,
    /// TCP/IP with TLS.
    HostSsl,
    /// TCP/IP without TLS.
    HostNoSsl,
    /// TCP/IP with GSSAPI encryption.
    HostGss,
    /// TCP/IP without GSSAPI encryption.
    HostNoGss,
}

impl HbaConnection {
    /// Of that word in the file.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "local" => Self::Local,
            "host" => Self::Host,
            "hostssl" => Self::HostSsl,
            "hostnossl" => Self::HostNoSsl,
            "hostgssenc" => Self::HostGss,
            "hostnogssenc" => Self::HostNoGss,
            _ => return None,
        })
    }

    /// Whether every connection that the other takes is taken by this one.
    pub fn includes(self, other: Self) -> bool {
        self == other
            || (self == Self::Host && other != Self::Local)
            || (self == Self::HostNoSsl && other == Self::HostGss)
            || (self == Self::HostNoGss && other == Self::HostSsl)
    }

    /// Whether it comes over the network.
    pub fn is_network(self) -> bool {
        self != Self::Local
    }

    /// Whether a connection without encryption is taken.
    pub fn takes_plain(self) -> bool {
        matches!(self, Self::Host | Self::HostNoSsl | Self::HostNoGss)
    }
}

/// From where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HbaAddress {
    /// From everywhere.
    All,
    /// From the server itself.
    SameHost,
    /// From its own subnets.
    SameNet,
    /// From a network: its address and the bits that count.
    Network(IpAddr, u8),
    /// From hosts of that name.
    Name(Box<str>),
}

impl HbaAddress {
    /// From the two columns of `pg_hba_file_rules`.
    pub fn parse(address: &str, netmask: Option<&str>) -> Self {
        match address {
            "all" => return Self::All,
            "samehost" => return Self::SameHost,
            "samenet" => return Self::SameNet,
            _ => (),
        }
        let mask = netmask.and_then(|mask| mask.parse::<IpAddr>().ok());
        match (address.parse::<IpAddr>(), mask) {
            (Ok(address), Some(mask)) => Self::Network(address, ones(mask)),
            (Ok(address), None) => Self::Network(address, if address.is_ipv4() { 32 } else { 128 }),
            (Err(_), _) => Self::Name(address.into()),
        }
    }

    /// Whether only the server itself is meant.
    pub fn is_own(&self) -> bool {
        match self {
            Self::SameHost => true,
            Self::Network(address, bits) => {
                address.is_loopback() && *bits >= if address.is_ipv4() { 8 } else { 128 }
            }
            Self::Name(name) => &**name == "localhost",
            Self::All | Self::SameNet => false,
        }
    }

    /// Whether whoever reaches the server may be meant.
    pub fn is_anywhere(&self) -> bool {
        matches!(self, Self::All | Self::Network(_, 0))
    }

    /// Whether every address of the other is one of this.
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Network(wide, bits), Self::Network(narrow, more)) => {
                bits <= more && network(*wide, *bits).is_some_and(|own| Some(own) == network(*narrow, *bits))
            }
            _ => self == other,
        }
    }
}

fn ones(mask: IpAddr) -> u8 {
    let count = match mask {
        IpAddr::V4(mask) => u32::from(mask).count_ones(),
        IpAddr::V6(mask) => u128::from(mask).count_ones(),
    };
    u8::try_from(count).unwrap_or(u8::MAX)
}

/// The bits of an address that count, with whether it is IPv6.
fn network(address: IpAddr, bits: u8) -> Option<(bool, u128)> {
    let (is_six, width, value) = match address {
        IpAddr::V4(address) => (false, 32, u128::from(u32::from(address))),
        IpAddr::V6(address) => (true, 128, u128::from(address)),
    };
    let rest = u32::from(u8::checked_sub(width, bits)?);
    Some((is_six, value.checked_shr(rest).unwrap_or(0)))
}

/// A line.
#[derive(Clone, Debug, Default)]
pub struct HbaLine {
    /// Where it stands.
    pub number: i32,
    /// In which file, where it is not the main one.
    pub file: Option<Box<str>>,
    /// By which way.
    pub connection: HbaConnection,
    /// To which databases.
    pub databases: Box<[Box<str>]>,
    /// Which roles: names, `all`, `+group`, `/pattern`.
    pub users: Box<[Box<str>]>,
    /// From where; `None` for the Unix socket.
    pub address: Option<HbaAddress>,
    /// The address as it is written.
    pub written_address: Box<str>,
    /// How it asks who is there.
    pub method: Box<str>,
    /// `name=value` of what the method is told; what is secret stands there as `...`.
    pub options: Box<[Box<str>]>,
    /// Why the server does not understand it.
    pub error: Option<Box<str>>,
}

impl HbaLine {
    /// The line as a person would write it.
    pub fn text(&self) -> String {
        let connection = match self.connection {
            HbaConnection::Local => "local",
            HbaConnection::Host => "host",
            HbaConnection::HostSsl => "hostssl",
            HbaConnection::HostNoSsl => "hostnossl",
            HbaConnection::HostGss => "hostgssenc",
            HbaConnection::HostNoGss => "hostnogssenc",
        };
        let list = |names: &[Box<str>]| {
            let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
            names.join(",")
        };
        let mut words = vec![connection.to_owned(), list(&self.databases), list(&self.users)];
        if !self.written_address.is_empty() {
            words.push(self.written_address.to_string());
        }
        words.push(self.method.to_string());
        words.extend(self.options.iter().map(|option| quoted(option).into_owned()));
        words.join(" ")
    }
}

/// A word of the file in quotes, where it would be several without.
fn quoted(word: &str) -> Cow<'_, str> {
    if word.is_empty() || word.contains(|part: char| part.is_whitespace() || matches!(part, ',' | '"' | '#'))
    {
        format!("\"{}\"", word.replace('"', "\"\"")).into()
    } else {
        word.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_parts() {
        let of = |text: &str, mask: &str| HbaAddress::parse(text, Some(mask));
        let ten = of("10.0.0.0", "255.0.0.0");
        assert!(ten.includes(&of("10.1.2.3", "255.255.255.255")));
        assert!(!of("10.1.2.3", "255.255.255.255").includes(&ten));
        assert!(!ten.includes(&of("11.0.0.1", "255.255.255.255")));
        assert!(of("0.0.0.0", "0.0.0.0").is_anywhere() && of("::", "::").is_anywhere());
        assert!(!of("0.0.0.0", "0.0.0.0").includes(&of("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")));
        assert!(HbaAddress::All.includes(&HbaAddress::SameNet));
        assert!(of("127.0.0.1", "255.255.255.255").is_own() && !ten.is_own());
        assert!(HbaAddress::parse("localhost", None).is_own());
    }

    #[test]
    fn a_line_is_written_as_it_is_read() {
        let line = HbaLine {
            databases: ["all".into()].into(),
            users: ["My role".into(), "b\"c".into(), "+people".into()].into(),
            written_address: "10.0.0.0/8".into(),
            method: "ldap".into(),
            options: ["ldapserver=a.example".into(), "ldapprefix=cn=a, b".into()].into(),
            ..HbaLine::default()
        };
        let text =
            r#"host all "My role","b""c",+people 10.0.0.0/8 ldap ldapserver=a.example "ldapprefix=cn=a, b""#;
        assert_eq!(line.text(), text);
    }

    #[test]
    fn ways_hold_their_parts() {
        use HbaConnection::*;
        assert!(Host.includes(HostSsl) && Host.includes(HostNoGss) && !Host.includes(Local));
        assert!(!HostSsl.includes(Host) && !HostSsl.includes(HostNoSsl) && HostNoGss.includes(HostSsl));
    }
}
