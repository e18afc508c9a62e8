use crate::list::AgentType;
use crate::object::object;

object! {
    /// One identifier of a source (section 3.2.28).
    Uid {
        id: Option<&'a str>,
        atype: Option<AgentType>,
    }
}
