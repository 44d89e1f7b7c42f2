//! From counts and hints to a decision, by the likelihood ratio against chance.

use crate::classify::column::Candidate;
use crate::classify::hint::Meaning;
use crate::classify::identifier::Identifier;
use crate::classify::value::{Passes, Trait};

/// What was counted over the distinct values of a column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) examined: u64,
    passes: [u64; Identifier::ALL.len()],
    traits: [u64; Trait::ALL.len()],
    /// Sum of the scores of names.
    name_scores: i64,
    /// Whether the numbers among the values lie close together, as numbers that are counted up do.
    pub(crate) dense: bool,
}

impl Counts {
    /// Takes one more value.
    pub(crate) fn add(&mut self, tests: Passes) {
        self.examined += 1;
        for (count, identifier) in self.passes.iter_mut().zip(Identifier::ALL) {
            *count += u64::from(tests.is(identifier));
        }
        for (count, test) in self.traits.iter_mut().zip(Trait::ALL) {
            *count += u64::from(tests.has(test));
        }
        self.name_scores += tests.name_score();
    }

    /// Values that passed the test for an identifier.
    pub(crate) fn of(&self, identifier: Identifier) -> u64 {
        self.passes.get(identifier as usize).copied().unwrap_or(0)
    }

    /// Values that passed a further test.
    pub(crate) fn with(&self, test: Trait) -> u64 {
        self.traits.get(test as usize).copied().unwrap_or(0)
    }

    /// Whether at least so many in a hundred values passed a further test.
    pub(crate) fn mostly(&self, test: Trait, percent: u64) -> bool {
        self.examined > 0 && self.with(test) * 100 >= self.examined * percent
    }
}

/// Distinct values that a decision by values alone takes.
pub(crate) const DISTINCT_MIN: u64 = 30;
/// Share of clean values in a column that is an identifier: the rest may be typing errors.
const PASS_RATE: f64 = 0.95;
/// The same for the check alone, where the rest of the shape is there already.
const SHAPE_PASS_RATE: f64 = 0.85;
/// Chance that the check character of a resident number is right.
const RESIDENT_CHECK_RATE: f64 = 0.092;
/// Chance that eleven digits that begin with 1 begin with an allotted prefix.
const MOBILE_SHAPE_RATE: f64 = 0.55;
/// Log odds that a column without any hint is a given identifier: about one column in fifty.
const PRIOR: f64 = -3.9;
/// What an unsaid column of names lacks beyond that: short words of Han characters are mostly
/// something else, and words of one subject are no independent draws.
const UNSAID_NAME: f64 = -8.0;
/// Weight of a name or comment that says so.
const HINTED: f64 = 6.0;
/// Weight of a name or comment that says it is the number of some document.
const HINTED_DOCUMENT: f64 = 4.0;
/// Weight of a name or comment that says something else.
const HINTED_OTHERWISE: f64 = -2.0;
/// Weight of a name like 订单号: it only looks like an identifier.
const HINTED_SERIAL: f64 = -6.0;
/// Values are no independent draws, so the evidence of many is capped.
const RATIO_MAX: f64 = 60.0;

/// Chance that a random value of the identifier's shape passes. Check digits and mobile numbers
/// were measured over 200,000 draws (and are again by the tests); those of shapes without a check
/// are estimates on the careful side.
pub(crate) fn null_rate(identifier: Identifier) -> f64 {
    match identifier {
        Identifier::ResidentId => 1e-4,
        Identifier::CreditCode => 1.1e-3,
        Identifier::BankCard => 0.101,
        Identifier::OrganisationCode => 0.095,
        Identifier::Mobile => 0.055,
        Identifier::MachineNumber => 5e-3,
        Identifier::Passport | Identifier::HkMacauPermit | Identifier::HomeReturnPermit => 1e-3,
        Identifier::TaiwanPermit => 0.2,
        // Any number of some length has their form.
        Identifier::SocialSecurityNumber | Identifier::MedicalInsuranceNumber => 0.5,
        Identifier::Plate => 1e-3,
        Identifier::Email => 1e-3,
        Identifier::Ipv4 => 1e-2,
        Identifier::Ipv6 | Identifier::Mac => 1e-4,
        Identifier::LandLine => 0.04,
        // Of a dictionary's words one in eight could be a name; of a chosen list more.
        Identifier::Name => 0.5,
        Identifier::Address => 0.02,
        Identifier::Coordinates => 1e-3,
    }
}

/// Every kind with a passing value or a hint, likeliest first.
pub(crate) fn candidates(counts: &Counts, meaning: Option<Meaning>) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Identifier::ALL
        .into_iter()
        .filter(|identifier| !identifier.needs_context() || is_hinted(*identifier, meaning))
        .map(|identifier| candidate(identifier, counts, meaning))
        .filter(|candidate| {
            candidate.passes > 0 || meaning == Some(Meaning::Identifier(candidate.identifier))
        })
        .collect();
    candidates.sort_by(|a, b| b.log_odds.total_cmp(&a.log_odds));
    candidates
}

/// The kind that the column is: of those above zero the earliest in precedence.
pub(crate) fn decided(candidates: &[Candidate], examined: u64) -> Option<Candidate> {
    candidates
        .iter()
        .filter(|candidate| candidate.log_odds > 0.0 && is_enough(candidate, examined))
        .min_by_key(|candidate| candidate.identifier)
        .cloned()
}

/// Few values decide only together with a hint, or by a check that chance hardly ever passes.
fn is_enough(candidate: &Candidate, examined: u64) -> bool {
    examined >= DISTINCT_MIN
        || candidate.prior_log_odds > 0.0
        || (candidate.null_rate <= 0.01 && candidate.passes >= 2)
}

/// The probability that belongs to a candidate's log odds. Few values leave it at most three
/// quarters, unless chance hardly ever passes their check; resident numbers of regions that never
/// were leave it lower.
pub(crate) fn confidence(candidate: &Candidate, counts: &Counts) -> f64 {
    let probability = 1.0 / (1.0 + (-candidate.log_odds.clamp(-50.0, 50.0)).exp());
    let most = match (counts.examined < DISTINCT_MIN, candidate.null_rate <= 0.01) {
        (true, false) => 0.75,
        (true, true) => 0.9,
        (false, _) => 0.9999,
    };
    let passes = counts.of(Identifier::ResidentId);
    let known = if candidate.identifier == Identifier::ResidentId && passes > 0 {
        count(counts.with(Trait::KnownRegion)) / count(passes)
    } else {
        1.0
    };
    probability.min(most) * (0.7 + 0.3 * known)
}

/// Whether name or comment say that it is this kind, or some document of which this is one.
fn is_hinted(identifier: Identifier, meaning: Option<Meaning>) -> bool {
    match meaning {
        Some(Meaning::Identifier(hinted)) => hinted == identifier,
        Some(Meaning::Document) => identifier.is_document(),
        _ => false,
    }
}

fn candidate(identifier: Identifier, counts: &Counts, meaning: Option<Meaning>) -> Candidate {
    let prior_log_odds = prior(identifier, meaning);
    let (passes, null_rate) = effective(identifier, counts, meaning);
    let mut log_likelihood_ratio =
        ratio(passes, counts.examined, PASS_RATE, null_rate).min(within_shape(identifier, counts));
    if identifier == Identifier::Name {
        log_likelihood_ratio += name_parts(counts);
        if !is_hinted(identifier, meaning) && !reads_as_names(counts, NAMES_FROM) {
            log_likelihood_ratio = log_likelihood_ratio.min(0.0);
        }
    }
    Candidate {
        identifier,
        passes,
        null_rate,
        log_likelihood_ratio,
        prior_log_odds,
        log_odds: prior_log_odds + log_likelihood_ratio.clamp(-RATIO_MAX, RATIO_MAX),
    }
}

/// What surnames and last characters add, among the values that could be names: half of the people
/// bear one of the hundred most frequent surnames even in a list of rare ones, and half of the given
/// names end with a frequent character. Of 19,765 words of jieba's dictionary that begin with a
/// surname, 15 % begin with a frequent one and 3.4 % end so.
fn name_parts(counts: &Counts) -> f64 {
    let names = counts.of(Identifier::Name);
    ratio(counts.with(Trait::FrequentSurname), names, 0.5, 0.15)
        + ratio(counts.with(Trait::GivenName), names, 0.5, 0.05)
}

/// Average score of a column's names from which an unsaid column is one of names. Columns of 40 names
/// lie above 2.4, those of 40 brands that begin with a surname below 2.2 (2,000 draws each), words of a
/// dictionary below 0.
const NAMES_FROM: f64 = 2.4;
/// Average score from which it may be one: among such columns are lists of brands and of dishes.
const MAYBE_NAMES_FROM: f64 = 0.0;

fn reads_as_names(counts: &Counts, from: f64) -> bool {
    #[expect(
        clippy::cast_precision_loss,
        reason = "at most 8 for each of 4,096 values"
    )]
    let total = counts.name_scores as f64;
    // Names with a dot have no score, and no other word has their form.
    let scored = count(counts.with(Trait::Scored));
    scored == 0.0 || total >= from * scored
}

/// Whether nearly all of enough values have the form of names, and read as names as much as brands
/// that begin with a surname do: nobody can tell by the values alone.
pub(crate) fn may_be_names(counts: &Counts) -> bool {
    counts.examined >= DISTINCT_MIN
        && counts.of(Identifier::Name) * 10 >= counts.examined * 9
        && reads_as_names(counts, MAYBE_NAMES_FROM)
}

/// The ratio among the values that already have the shape: what the check itself says. Numbers of
/// one register may all begin alike or hold a date, and then pass the pattern, but not the check,
/// more often than random ones.
fn within_shape(identifier: Identifier, counts: &Counts) -> f64 {
    let passes = counts.of(identifier);
    match identifier {
        Identifier::ResidentId if counts.with(Trait::ResidentShape) > 0 => ratio(
            passes,
            counts.with(Trait::ResidentShape),
            SHAPE_PASS_RATE,
            RESIDENT_CHECK_RATE,
        ),
        Identifier::Mobile if counts.with(Trait::MobileShape) > 0 => ratio(
            passes,
            counts.with(Trait::MobileShape),
            PASS_RATE,
            MOBILE_SHAPE_RATE,
        ),
        _ => f64::INFINITY,
    }
}

/// Whether more of some values pass than chance explains, of all of them and of those that have
/// the shape.
pub(crate) fn beats_chance(identifier: Identifier, passes: u64, of: u64, counts: &Counts) -> bool {
    let passes = count(passes);
    let of_all = null_rate(identifier) * count(of);
    let of_shape = match identifier {
        Identifier::ResidentId => {
            let share = count(counts.with(Trait::ResidentShape)) / count(counts.examined.max(1));
            RESIDENT_CHECK_RATE * share * count(of)
        }
        _ => 0.0,
    };
    passes > 10.0 * of_all && passes > 3.0 * of_shape
}

/// Passing values and their null rate, where a kind is more than its one test.
fn effective(identifier: Identifier, counts: &Counts, meaning: Option<Meaning>) -> (u64, f64) {
    let hinted = is_hinted(identifier, meaning);
    let passes = counts.of(identifier);
    let rate = null_rate(identifier);
    match identifier {
        // Fifteen digits have no check: they need a name that says so, or company of eighteen.
        Identifier::ResidentId if hinted || passes > counts.with(Trait::ResidentId15) / 4 => (
            passes + counts.with(Trait::ResidentId15),
            if passes > 0 { rate } else { 1.5e-2 },
        ),
        // A known bank makes chance a hundred times less likely, a network's range ten times.
        Identifier::BankCard if counts.mostly(Trait::KnownBank, 80) => {
            (counts.with(Trait::KnownBank), 2e-3)
        }
        Identifier::BankCard if counts.mostly(Trait::KnownIssuer, 80) => {
            (counts.with(Trait::KnownIssuer), 0.02)
        }
        // Numbers that are counted up pass together or not at all.
        Identifier::Mobile | Identifier::LandLine if counts.dense && !hinted => (passes, PASS_RATE),
        // Without area codes a land line is any number of seven or eight digits.
        Identifier::LandLine if hinted => (passes + counts.with(Trait::LocalNumber), 0.2),
        // Version numbers look like addresses, often with four small numbers.
        Identifier::Ipv4
            if meaning == Some(Meaning::Serial)
                || (counts.with(Trait::SmallOctets) * 2 > passes && !hinted) =>
        {
            (passes, PASS_RATE)
        }
        Identifier::Mac if hinted => (passes + counts.with(Trait::BareMac), 1e-2),
        Identifier::Coordinates if hinted => (
            passes + counts.with(Trait::Longitude) + counts.with(Trait::Latitude),
            0.2,
        ),
        _ => (passes, rate),
    }
}

fn prior(identifier: Identifier, meaning: Option<Meaning>) -> f64 {
    match meaning {
        None | Some(Meaning::Remark) if identifier == Identifier::Name => PRIOR + UNSAID_NAME,
        None | Some(Meaning::Remark) => PRIOR,
        Some(Meaning::Identifier(hinted)) if hinted == identifier => PRIOR + HINTED,
        Some(Meaning::Document) if identifier.is_document() => PRIOR + HINTED_DOCUMENT,
        // 证件号 may hold another kind of number, and 电话 a land line or a mobile.
        Some(Meaning::Identifier(_)) => PRIOR,
        Some(Meaning::Serial) => PRIOR + HINTED_SERIAL,
        Some(Meaning::Amount | Meaning::EventDate | Meaning::Age) => PRIOR + HINTED_SERIAL,
        Some(_) => PRIOR + HINTED_OTHERWISE,
    }
}

/// Natural log of P(passes | identifier) / P(passes | chance), both binomial.
fn ratio(passes: u64, examined: u64, rate: f64, null_rate: f64) -> f64 {
    let fails = examined.saturating_sub(passes);
    count(passes) * (rate / null_rate).ln() + count(fails) * ((1.0 - rate) / (1.0 - null_rate)).ln()
}

/// A count as a floating-point number; far below the 2^53 that it holds exactly.
fn count(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
