//! Where the user is: `device.geo`, else `user.geo`.

use super::Reading;
use super::signal::Signal;
use crate::catalog::Circle;
use openrtb::BidRequest;
use openrtb::request::Geo;

/// Longest postal code whose beginnings are looked up, in bytes.
const MAX_POSTAL: usize = 12;
/// Mean radius of the earth in metres (IUGG).
const EARTH_M: f64 = 6_371_008.8;
/// Metres of a degree along a meridian, a little less than on any sphere or ellipsoid in use, so
/// that boxes around circles are never too small.
const DEGREE_M: f64 = 110_000.0;
/// Degrees of a cell at each level, in millionths.
const CELLS: [i64; 5] = [16_000_000, 4_000_000, 1_000_000, 250_000, 62_500];
/// Most cells of a circle, unless even the largest ones are more.
const MAX_CELLS: i64 = 24;

/// The places that a request names, the device's first.
fn geos<'a>(request: &BidRequest<'a>) -> impl Iterator<Item = &'a Geo<'a>> {
    let device = request.device.and_then(|device| device.geo);
    let user = request.user.and_then(|user| user.geo);
    device.into_iter().chain(user)
}

/// The first place with a country, and the country in three capitals.
fn country<'a>(request: &BidRequest<'a>, code: &mut [u8; 3]) -> Option<&'a Geo<'a>> {
    let geo = geos(request).find(|geo| geo.country.is_some())?;
    alpha3(geo.country?, code)?;
    Some(geo)
}

/// Writes the country in three capitals.
fn alpha3(country: &str, code: &mut [u8; 3]) -> Option<()> {
    let capitals = code.get_mut(..country.len())?;
    capitals.copy_from_slice(country.as_bytes());
    capitals.make_ascii_uppercase();
    match capitals.len() {
        3 if country.is_ascii() => {}
        2 => {
            let known = openrtb::country::alpha3(std::str::from_utf8(capitals).ok()?)?;
            code.copy_from_slice(known.as_bytes());
        }
        _ => return None,
    }
    Some(())
}

fn text(code: &[u8; 3]) -> &str {
    std::str::from_utf8(code).unwrap_or_default()
}

pub(super) fn geo(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let mut code = [0; 3];
    let Some(geo) = country(reading.request, &mut code) else {
        return;
    };
    signal.text(text(&code));
    // ISO 3166-2 says `FR-IDF`, OpenRTB's own text `IDF`.
    let region = geo.region.unwrap_or_default();
    let region = region.rsplit('-').next().unwrap_or_default();
    if !region.is_empty() {
        signal.joined(&[text(&code), "-", region]);
    }
}

pub(super) fn metro(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let metro = geos(reading.request).find_map(|geo| geo.metro);
    signal.text(metro.unwrap_or_default());
}

pub(super) fn city(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let mut code = [0; 3];
    let geo = country(reading.request, &mut code);
    let city = geo.and_then(|geo| geo.city).unwrap_or_default().trim();
    if !city.is_empty() {
        signal.lower_joined(&[text(&code), ":", city]);
    }
}

pub(super) fn postal_code(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let mut code = [0; 3];
    let geo = country(reading.request, &mut code);
    let zip = geo.and_then(|geo| geo.zip).unwrap_or_default();
    // Spaces are written or left out as people like.
    let mut parts = zip.split_whitespace();
    let Some(first) = parts.next() else { return };
    let (second, third) = (parts.next(), parts.next());
    let all = [first, second.unwrap_or_default(), third.unwrap_or_default()];
    if zip.len() > MAX_POSTAL {
        signal.present();
    } else {
        let [first, second, third] = all;
        signal.beginnings(&[text(&code), ":", first, second, third], "FRA:1".len());
    }
}

/// Where the user is, in millionths of a degree.
pub(crate) fn point(request: &BidRequest<'_>) -> Option<(i32, i32)> {
    let (lat, lon) = geos(request).find_map(|geo| geo.lat.zip(geo.lon))?;
    let on_earth = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
    on_earth.then(|| ((lat * 1e6).round() as i32, (lon * 1e6).round() as i32))
}

pub(super) fn radius(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    if let Some((lat, lon)) = point(reading.request) {
        for (level, size) in CELLS.iter().enumerate() {
            signal.code(cell(level, row(lat, *size), column(lon, *size)) as i64);
        }
    }
}

fn cell(level: usize, row: i64, column: i64) -> u64 {
    (level as u64) << 40 | (row as u64) << 20 | column as u64
}

fn row(lat_e6: i32, size: i64) -> i64 {
    (i64::from(lat_e6) + 90_000_000) / size
}

fn column(lon_e6: i32, size: i64) -> i64 {
    // The meridian of 180° is that of -180°.
    (i64::from(lon_e6) + 180_000_000).rem_euclid(360_000_000) / size
}

/// Cells of one size that cover a circle.
pub(crate) fn cells_of(circle: &Circle) -> Vec<u64> {
    let centre = f64::from(circle.lat_e6) / 1e6;
    let height = f64::from(circle.radius_m) / DEGREE_M;
    let (south, north) = (centre - height, centre + height);
    // A circle around a pole has every longitude.
    let polar = south <= -89.9 || north >= 89.9;
    let narrowest = south.abs().max(north.abs()).to_radians().cos();
    let width = if polar {
        180.0
    } else {
        (height / narrowest).min(180.0)
    };
    let bound = |degrees: f64| (degrees.clamp(-90.0, 90.0) * 1e6) as i32;
    let (low, high) = (bound(south), bound(north));
    let west = i64::from(circle.lon_e6) - (width * 1e6) as i64;
    let east = i64::from(circle.lon_e6) + (width * 1e6) as i64;
    let span = |size: i64| {
        let rows = row(low, size)..=row(high, size);
        let columns = (west + 180_000_000).div_euclid(size)..=(east + 180_000_000).div_euclid(size);
        (rows, columns)
    };
    let few = |level: &usize| {
        let (rows, columns) = span(CELLS[*level]);
        (rows.end() - rows.start() + 1) * (columns.end() - columns.start() + 1) <= MAX_CELLS
    };
    let level = (0..CELLS.len()).rev().find(few).unwrap_or(0);
    let (rows, columns) = span(CELLS[level]);
    // The last column of the largest cells is narrower, so that the count is rounded up.
    let around = (360_000_000 + CELLS[level] - 1) / CELLS[level];
    let mut cells = Vec::new();
    for row in rows {
        // One more on each side where the world wraps inside a cell.
        for column in columns.start() - 1..=columns.end() + 1 {
            cells.push(cell(level, row, column.rem_euclid(around)));
        }
    }
    cells.sort_unstable();
    cells.dedup();
    cells
}

/// Whether a point is in a circle: great circles on a sphere, which is exact to half a percent.
pub(crate) fn within(circle: &Circle, (lat_e6, lon_e6): (i32, i32)) -> bool {
    let radians = |e6: i32| (f64::from(e6) / 1e6).to_radians();
    let (lat, own) = (radians(lat_e6), radians(circle.lat_e6));
    let half_lat = ((lat - own) / 2.0).sin();
    let half_lon = ((radians(lon_e6) - radians(circle.lon_e6)) / 2.0).sin();
    let chord = half_lat * half_lat + own.cos() * lat.cos() * half_lon * half_lon;
    2.0 * EARTH_M * chord.clamp(0.0, 1.0).sqrt().asin() <= f64::from(circle.radius_m)
}

pub(super) fn user_hour(reading: &Reading<'_, '_>, signal: &mut Signal<'_>) {
    let offset = geos(reading.request).find_map(|geo| geo.utcoffset);
    // From UTC-12 to UTC+14.
    if let Some(offset @ -720..=840) = offset {
        let hour = (reading.now_ms.div_euclid(60_000) + offset).div_euclid(60);
        // 1970-01-01 was a Thursday.
        signal.code((hour + 72).rem_euclid(168));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn countries_are_read_in_either_length() {
        for (country, expected) in [
            ("FRA", Some("FRA")),
            ("fr", Some("FRA")),
            ("XX", None),
            ("", None),
            ("FRANCE", None),
            ("é", None),
            ("a very long name of a country", None),
        ] {
            let mut code = [0; 3];
            let known = alpha3(country, &mut code).map(|()| text(&code));
            assert_eq!(known, expected, "{country}");
        }
    }

    #[test]
    fn distances_are_those_of_an_atlas() {
        // Paris to London is 344 km, Fiji's two sides of the date line lie 22 km apart.
        let paris = |radius_m| Circle {
            lat_e6: 48_856_600,
            lon_e6: 2_352_200,
            radius_m,
        };
        let london = (51_507_400, -127_800);
        assert!(within(&paris(346_000), london) && !within(&paris(341_000), london));
        let fiji = Circle {
            lat_e6: -17_000_000,
            lon_e6: 179_900_000,
            radius_m: 22_000,
        };
        assert!(within(&fiji, (-17_000_000, -179_900_000)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn a_point_in_a_circle_is_in_one_of_its_cells(
            lat_e6 in -90_000_000..=90_000_000_i32,
            lon_e6 in -180_000_000..=180_000_000_i32,
            radius_m in 100_u32..3_000_000,
            (up, right) in (-1.0..1.0_f64, -1.0..1.0_f64),
        ) {
            let circle = Circle { lat_e6, lon_e6, radius_m };
            // A point near the circle, wherever that is.
            let degrees = f64::from(radius_m) / 100_000.0;
            let narrow = f64::from(lat_e6 / 1_000_000).to_radians().cos().max(0.02);
            let lat = (f64::from(lat_e6) / 1e6 + up * degrees).clamp(-90.0, 90.0);
            let lon = f64::from(lon_e6) / 1e6 + right * degrees / narrow;
            let lon = (lon + 540.0).rem_euclid(360.0) - 180.0;
            let point = ((lat * 1e6) as i32, (lon * 1e6) as i32);
            let cells = cells_of(&circle);
            prop_assert!(cells.len() < 300);
            let own = CELLS.iter().enumerate().map(|(level, size)| {
                cell(level, row(point.0, *size), column(point.1, *size))
            });
            let covered = own.filter(|cell| cells.contains(cell)).count() > 0;
            prop_assert!(covered || !within(&circle, point), "{point:?} {cells:?}");
        }
    }
}
