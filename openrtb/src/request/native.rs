use crate::List;
use crate::object::object;
use crate::request::NativeMarkup;

object! {
    /// A native placement (section 3.2.9).
    Native {
        request: Option<NativeMarkup<'a>>,
        ver: Option<&'a str>,
        api: List<'a, i64>,
        battr: List<'a, i64>,
    }
}
