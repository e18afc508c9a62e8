use crate::list::{CategoryTaxonomy, ContentContext, MediaRating, ProductionQuality};
use crate::object::object;
use crate::request::{Channel, Data, Network, Producer};
use crate::{Flag, List};

object! {
    /// The content around the impression (section 3.2.16).
    Content {
        id: Option<&'a str>,
        episode: Option<i64>,
        title: Option<&'a str>,
        series: Option<&'a str>,
        season: Option<&'a str>,
        artist: Option<&'a str>,
        genre: Option<&'a str>,
        gtax: Option<CategoryTaxonomy>,
        genres: List<'a, &'a str>,
        album: Option<&'a str>,
        isrc: Option<&'a str>,
        producer: Option<&'a Producer<'a>>,
        url: Option<&'a str>,
        cattax: Option<CategoryTaxonomy>,
        cat: List<'a, &'a str>,
        prodq: Option<ProductionQuality>,
        context: Option<ContentContext>,
        contentrating: Option<&'a str>,
        userrating: Option<&'a str>,
        qagmediarating: Option<MediaRating>,
        keywords: Option<&'a str>,
        kwarray: List<'a, &'a str>,
        livestream: Option<Flag>,
        sourcerelationship: Option<Flag>,
        len: Option<i64>,
        language: Option<&'a str>,
        langb: Option<&'a str>,
        embeddable: Option<Flag>,
        data: List<'a, Data<'a>>,
        network: Option<&'a Network<'a>>,
        channel: Option<&'a Channel<'a>>,
        realtime: Option<i64>,
        firstbroadcast: Option<i64>,
    }
}
