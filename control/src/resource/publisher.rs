//! Publishers: who sells, at which share, and in which kind of auction.

use super::terms::Status;
use super::{Claim, Document};
use crate::fault::Fault;
use crate::model::{
    Category, Cur, Domain, Floor, Name, Share, StoredRequest, Tag, Whole, choices, model,
};
use ledger::Cpm;

choices! {
    /// A kind of auction.
    pub enum Auction {
        /// The winner pays its bid.
        FirstPrice = "first_price",
        /// The winner pays the second bid or the floor, and the increment.
        SecondPrice = "second_price",
    }
}

choices! {
    /// What loss notices tell partners of prices.
    pub enum LossPrices {
        /// Nothing.
        None = "none",
        /// What would have won, where price was the reason.
        MinToWin = "min_to_win",
        /// That, and what the winner pays.
        Clearing = "clearing",
    }
}

model! {
    /// A publisher.
    pub struct Publisher {
        /// Name for people.
        pub name: Name,
        /// Domain of its site, by which requests that name no publisher are known.
        pub domain: Domain,
        /// Further domains of its sites.
        pub domains: Vec<Domain> = Vec::new(),
        /// Bundles of its applications.
        pub bundles: Vec<Tag> = Vec::new(),
        /// Currency of its floors and earnings; it never changes.
        pub currency: Cur,
        /// Its part of what buyers pay, 0 to 1.
        pub revenue_share: Share,
        /// How the winner's price is found.
        pub auction: Auction = Auction::FirstPrice,
        /// What a second price is raised by, per thousand impressions.
        pub increment: Floor = Floor(Cpm(10_000)),
        /// Requests per second that are taken; 0 means no limit.
        pub max_qps: Whole<0, 10_000_000> = Whole(0),
        /// Time for an auction whose request names none, in milliseconds.
        pub tmax_ms: Whole<1, 10_000> = Whole(150),
        /// Domains of advertisers that may not buy here.
        pub blocked_advertisers: Vec<Domain> = Vec::new(),
        /// Categories that may not be shown here.
        pub blocked_categories: Vec<Category> = Vec::new(),
        /// Whether bids must name their creative.
        pub requires_creative_id: bool = false,
        /// Whether only creatives that it has approved may be shown.
        pub requires_approval: bool = false,
        /// The largest markup that may be shown here, in bytes.
        pub max_markup_bytes: Whole<1_024, 1_048_576> = Whole(262_144),
        /// What loss notices tell of prices.
        pub loss_prices: LossPrices = LossPrices::MinToWin,
        /// What its requests begin with, as OpenRTB has it; what a request says itself wins.
        pub request: Option<StoredRequest> = None,
        /// Whether its requests come from servers, so that the address and browser of the caller
        /// are nobody's who sees an ad.
        pub from_servers: bool = false,
        /// Whether it sells.
        pub status: Status = Status::Active,
    }
}

impl Document for Publisher {
    fn check(&self, faults: &mut Vec<Fault>) {
        let claims = self.claims();
        for (index, claim) in claims.iter().enumerate() {
            if claims[..index]
                .iter()
                .any(|earlier| earlier.name == claim.name)
            {
                faults.push(Fault::new(claim.pointer.clone(), "stands twice"));
            }
        }
    }

    fn claims(&self) -> Vec<Claim> {
        let listed = |pointer: &str, kind: &str, index: usize, name: &str| Claim {
            pointer: format!("{pointer}/{index}"),
            name: format!("{kind} {name}"),
        };
        let first = Claim {
            pointer: "/domain".to_owned(),
            name: format!("site {}", self.domain.0),
        };
        let domains = self.domains.iter().enumerate();
        let domains = domains.map(|(index, name)| listed("/domains", "site", index, &name.0));
        let bundles = self.bundles.iter().enumerate();
        let bundles = bundles.map(|(index, name)| listed("/bundles", "app", index, &name.0));
        std::iter::once(first)
            .chain(domains)
            .chain(bundles)
            .collect()
    }

    fn status(&self) -> Status {
        self.status
    }
}
