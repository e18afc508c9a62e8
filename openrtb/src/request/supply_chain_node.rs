use crate::Flag;
use crate::object::object;

object! {
    /// One seller of the supply chain (section 3.2.26).
    SupplyChainNode {
        asi: Option<&'a str>,
        sid: Option<&'a str>,
        rid: Option<&'a str>,
        name: Option<&'a str>,
        domain: Option<&'a str>,
        hp: Option<Flag>,
    }
}
