//! Resources for a node under load: advertisers with thousands of line items that fit the corpus
//! here and there, and the publishers of its requests, as TOML for `gavel apply`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::Random;
use super::vocabulary::{COUNTRIES, SIZES, TOPICS};

/// How many of each there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Line items; ten share a campaign, fifty an advertiser.
    pub line_items: u32,
    /// Segments that audiences are drawn from, as in the segment file.
    pub segments: u32,
    /// Publishers, as in the requests.
    pub publishers: u32,
}

/// No notice ever ends the bids of a measurement; at 50,000 a second the table of open bids would
/// be full before long if they did not expire soon.
const EXPIRY_S: u32 = 5;
const ITEMS_OF_A_CAMPAIGN: u32 = 10;
const ITEMS_OF_AN_ADVERTISER: u32 = 50;

/// Writes the resources: budgets so large that no measurement ends them, a frequency cap on
/// every line item, and targeting by country, size, site, device and audience in a mix in which
/// a typical request fits a few in a hundred.
///
/// # Errors
/// The file cannot be written.
pub fn write_resources(path: &Path, counts: Counts, seed: u64) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut random = Random::new(seed ^ 0x7e5);
    writeln!(
        out,
        "[[exchanges]]\nid = \"demo\"\nname = \"demo\"\ncurrency = \"USD\"\n\
         expiry_s = {EXPIRY_S}\n"
    )?;
    for publisher in 0..counts.publishers {
        writeln!(
            out,
            "[[publishers]]\nid = \"pub_{publisher}\"\nname = \"Example Media {publisher}\"\n\
             domain = \"media-{publisher}.example\"\ncurrency = \"USD\"\n\
             revenue_share = \"0.85\"\nauction = \"first_price\"\n"
        )?;
    }
    for item in 0..counts.line_items {
        let advertiser = item / ITEMS_OF_AN_ADVERTISER;
        if item % ITEMS_OF_AN_ADVERTISER == 0 {
            advertiser_and_creatives(&mut out, advertiser)?;
        }
        let campaign = item / ITEMS_OF_A_CAMPAIGN;
        if item % ITEMS_OF_A_CAMPAIGN == 0 {
            // No measurement spends a day's budget, so the paced ones soon take part in everything.
            let pacing = if campaign.is_multiple_of(2) {
                "even"
            } else {
                "asap"
            };
            writeln!(
                out,
                "[[campaigns]]\nid = \"cmp_{campaign}\"\nadvertiser = \"adv_{advertiser}\"\n\
                 name = \"Campaign {campaign}\"\nstart = \"2020-01-01T00:00:00Z\"\n\
                 end = \"2099-01-01T00:00:00Z\"\n\
                 budget = {{ total = \"1000000\", daily = \"100000\" }}\npacing = \"{pacing}\"\n"
            )?;
        }
        line_item(&mut out, item, campaign, advertiser, counts, &mut random)?;
    }
    out.flush()
}

fn advertiser_and_creatives(out: &mut impl Write, advertiser: u32) -> io::Result<()> {
    writeln!(
        out,
        "[[advertisers]]\nid = \"adv_{advertiser}\"\nname = \"Advertiser {advertiser}\"\n\
         currency = \"USD\"\ntimezone = \"Europe/Paris\"\ndomain = \"brand-{advertiser}.example\"\n"
    )?;
    for (w, h, _) in SIZES {
        writeln!(
            out,
            "[[creatives]]\nid = \"cr_{advertiser}_{w}x{h}\"\nadvertiser = \"adv_{advertiser}\"\n\
             format = \"banner\"\nw = {w}\nh = {h}\n\
             adm = '<a href=\"${{CLICK_URL}}\"><img src=\"https://cdn.brand-{advertiser}.example/\
             {w}x{h}.jpg\" width=\"{w}\" height=\"{h}\" alt=\"\"></a>'\n\
             adomain = [\"brand-{advertiser}.example\"]\n\
             landing_page = \"https://brand-{advertiser}.example/\"\n"
        )?;
    }
    Ok(())
}

fn line_item(
    out: &mut impl Write,
    item: u32,
    campaign: u32,
    advertiser: u32,
    counts: Counts,
    random: &mut Random,
) -> io::Result<()> {
    let (w, h, _) = *random.pick(&SIZES);
    let mut targeting = vec![
        "formats = [\"banner\"]".to_owned(),
        format!("sizes = [\"{w}x{h}\"]"),
    ];
    if random.chance(80) {
        let (one, other) = (random.pick(&COUNTRIES).code, random.pick(&COUNTRIES).code);
        targeting.push(format!("geo = {{ include = [\"{one}\", \"{other}\"] }}"));
    }
    if random.chance(20) {
        let sites: Vec<String> = (0..20)
            .map(|_| format!("\"{}-{}.example\"", random.pick(&TOPICS), random.below(400)))
            .collect();
        let side = if random.chance(50) {
            "include"
        } else {
            "exclude"
        };
        targeting.push(format!("sites = {{ {side} = [{}] }}", sites.join(", ")));
    }
    if random.chance(40) {
        let device = *random.pick(&["phone", "desktop", "tablet"]);
        targeting.push(format!("devices = [\"{device}\"]"));
    }
    if random.chance(60) {
        let segment = |_| format!("\"seg_{}\"", random.below(u64::from(counts.segments)));
        let drawn: Vec<String> = (0..4).map(segment).collect();
        let (wanted, unwanted) = (drawn[..3].join(", "), &drawn[3]);
        targeting.push(format!(
            "audience = {{ include = [[{wanted}]], exclude = [{unwanted}] }}"
        ));
    }
    let cents = 50 + random.below(800);
    writeln!(
        out,
        "[[line_items]]\nid = \"li_{item}\"\ncampaign = \"cmp_{campaign}\"\n\
         name = \"Line item {item}\"\n\
         bid = {{ strategy = \"fixed_cpm\", max_cpm = \"{}.{:02}\" }}\n\
         targeting = {{ {} }}\nfrequency = [{{ max = 50, per = \"day\" }}]\n\
         creatives = [\"cr_{advertiser}_{w}x{h}\"]\n",
        cents / 100,
        cents % 100,
        targeting.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_writes_the_same_resources() {
        let path = std::env::temp_dir().join(format!("resources-{}", std::process::id()));
        let counts = Counts {
            line_items: 120,
            segments: 50,
            publishers: 3,
        };
        write_resources(&path, counts, 7).unwrap();
        let first = std::fs::read_to_string(&path).unwrap();
        write_resources(&path, counts, 7).unwrap();
        assert_eq!(first, std::fs::read_to_string(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(first.matches("[[line_items]]").count(), 120);
        assert_eq!(first.matches("[[campaigns]]").count(), 12);
        assert_eq!(first.matches("[[advertisers]]").count(), 3);
    }
}
