//! Nouns and traps.

use super::irregular::*;
use super::words::*;
use super::*;

/// `(singular, plural)`: number, inflection and its reverse must all agree.
const PAIRS: &str = "
    order/orders user/users item/items key/keys day/days tag/tags app/apps job/jobs url/urls
    faction/factions api/apis wiki/wikis taxi/taxis uri/uris emoji/emojis menu/menus sku/skus guru/gurus
    cpu/cpus area/areas schema/schemas quota/quotas formula/formulas idea/ideas camera/cameras
    photo/photos video/videos logo/logos repo/repos memo/memos piano/pianos studio/studios
    portfolio/portfolios token/tokens screen/screens human/humans german/germans setting/settings
    booking/bookings listing/listings rating/ratings string/strings ring/rings seed/seeds bed/beds
    table/tables variable/variables deliverable/deliverables relationship/relationships payment/payments
    comment/comments stomach/stomachs epoch/epochs month/months path/paths graph/graphs roof/roofs
    belief/beliefs chief/chiefs proof/proofs metric/metrics topic/topics clinic/clinics case/cases
    house/houses warehouse/warehouses clause/clauses cause/causes response/responses license/licenses
    release/releases purchase/purchases expense/expenses phase/phases database/databases base/bases
    course/courses nurse/nurses exercise/exercises enterprise/enterprises promise/promises lease/leases
    use/uses spouse/spouses cache/caches niche/niches size/sizes prize/prizes shoe/shoes toe/toes
    device/devices service/services price/prices invoice/invoices office/offices image/images page/pages
    message/messages archive/archives drive/drives curve/curves move/moves reserve/reserves valve/valves
    objective/objectives movie/movies cookie/cookies zombie/zombies tie/ties pie/pies tree/trees
    fee/fees employee/employees committee/committees address/addresses class/classes process/processes
    business/businesses witness/witnesses boss/bosses box/boxes tax/taxes index/indexes prefix/prefixes
    batch/batches match/matches branch/branches switch/switches dish/dishes wish/wishes quiz/quizzes
    waltz/waltzes status/statuses bus/buses virus/viruses campus/campuses bonus/bonuses census/censuses
    substatus/substatuses gas/gases alias/aliases canvas/canvases atlas/atlases bias/biases lens/lenses
    category/categories company/companies country/countries city/cities currency/currencies
    reply/replies family/families entry/entries policy/policies survey/surveys journey/journeys
    penalty/penalties delivery/deliveries anomaly/anomalies toy/toys hero/heroes potato/potatoes
    echo/echoes veto/vetoes tomato/tomatoes leaf/leaves life/lives shelf/shelves wolf/wolves half/halves
    knife/knives wife/wives thief/thieves calf/calves scarf/scarves analysis/analyses crisis/crises
    diagnosis/diagnoses hypothesis/hypotheses thesis/theses synopsis/synopses axis/axes
    parenthesis/parentheses criterion/criteria phenomenon/phenomena bacterium/bacteria vertex/vertices
    matrix/matrices appendix/appendices nucleus/nuclei radius/radii stimulus/stimuli fungus/fungi
    alumnus/alumni curriculum/curricula spectrum/spectra taxon/taxa genus/genera corpus/corpora
    larva/larvae vertebra/vertebrae automaton/automata erratum/errata person/people
    salesperson/salespeople child/children grandchild/grandchildren man/men woman/women
    craftsman/craftsmen foot/feet tooth/teeth goose/geese mouse/mice ox/oxen specimen/specimens
    regimen/regimens
";

#[test]
fn word_lists_are_sorted_for_binary_search() {
    for list in [
        NUMBERLESS,
        ENDING_US,
        PLURAL_US,
        PLURAL_IS,
        SINGULAR_S,
        NEITHER_S,
        SHORT_PLURALS,
        PLURAL_ICS,
        SINGULAR_ING,
        SINGULAR_ED,
        SINGULAR_LY,
        SINGULAR_ABLE,
        SINGULAR_NESS,
        SINGULAR_MEN,
        PLURAL_OES,
        SINGULAR_CHE,
        REGULAR_TOO,
        REGULAR_MAN,
    ] {
        assert!(list.windows(2).all(|pair| pair[0] < pair[1]), "{list:?}");
    }
    for list in [IRREGULAR, SECOND_SINGULAR, PLURAL_VES] {
        assert!(list.windows(2).all(|pair| pair[0].0 < pair[1].0), "{list:?}");
    }
}

#[test]
fn nouns_go_both_ways() {
    let pairs: Vec<(&str, &str)> = PAIRS.split_whitespace().filter_map(|pair| pair.split_once('/')).collect();
    assert!(pairs.len() >= 150);
    for (one, many) in pairs {
        assert_eq!(singular(many), one, "singular of {many}");
        assert_eq!(singular(one), one, "{one} is singular already");
        assert_eq!(number(many), Number::Plural, "{many}");
        // `cache` and `index` name collections at the end of a table's name; `ox` is too short to judge.
        if !has(NUMBERLESS, one) && one.len() > 2 {
            assert_eq!(number(one), Number::Singular, "{one}");
            assert_eq!(plural(one).as_deref(), Some(many), "plural of {one}");
        }
    }
}

#[test]
fn what_has_no_number_is_never_judged() {
    for word in "
        data metadata news series species sheep fish aircraft information software hardware
        firmware equipment staff money feedback history inventory stock log feed newsfeed queue
        cache config info audit archive backup media analytics statistics logistics physics
        politics billing routing pricing shipping archived deleted new old tmp v2 orders2 gps dns
        sms aws os id tls redis postgres fitness darkness quickly daily headquarters means kudos
        tourism japanese transactionhistory salespersonquotahistory userdata customermetadata
        productinventory cfg usages2 é Orders
    "
    .split_whitespace()
    {
        assert_eq!(number(word), Number::Unknown, "{word}");
    }
}

#[test]
fn singulars_in_s_are_no_plurals() {
    for word in "
        status address access_process bus campus analysis basis lens gas alias business class
        glass axis corpus virus atlas canvas emailaddress
    "
    .split_whitespace()
    {
        assert_ne!(number(word), Number::Plural, "{word}");
    }
}

#[test]
fn a_second_singular_is_accepted() {
    for (plural, form) in [
        ("axes", "axe"),
        ("axes", "axis"),
        ("bases", "base"),
        ("bases", "basis"),
        ("leaves", "leave"),
        ("movies", "movie"),
        ("movies", "movy"),
        ("statuses", "status"),
        ("people", "person"),
        ("status", "status"),
        ("data", "data"),
        ("news", "news"),
        ("orders", "orders"),
        ("addresses", "address"),
        ("indexes", "index"),
        ("indices", "index"),
        ("caches", "cache"),
        ("series", "series"),
    ] {
        assert!(singular_forms(plural).iter().any(|candidate| candidate == form), "{form} of {plural}");
    }
    assert_eq!(singular_forms("s"), ["s"]);
}

proptest::proptest! {
    #[test]
    fn any_text_is_survived(word in "\\PC{0,12}") {
        let _ = number(&word);
        proptest::prop_assert!(singular_forms(&word).contains(&word) || word.is_empty());
        let _ = (singular(&word), plural(&word));
    }

    #[test]
    fn no_plural_is_made_that_reads_as_another_singular(word in "opu|viru|statu") {
        proptest::prop_assert_eq!(plural(&word), None);
    }

    #[test]
    fn a_plural_made_here_is_known_as_one(stem in "[a-z]{3,9}") {
        if let (Number::Singular, Some(many)) = (number(&stem), plural(&stem)) {
            proptest::prop_assert_ne!(number(&many), Number::Singular, "{} of {}", many, stem);
        }
    }
}
