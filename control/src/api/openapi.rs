//! The API's description, made from the same table and models as the API itself.

use super::conversions::NewConversion;
use crate::model::Model;
use crate::resource::Kind;
use axum::Json;
use serde_json::{Map, Value, json};

/// `GET /v1/openapi.json`
pub(super) async fn show() -> Json<Value> {
    Json(document())
}

/// The description (OpenAPI 3.1).
pub fn document() -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for kind in Kind::ALL {
        let name = format!("{kind:?}");
        schemas.insert(name.clone(), kind.schema());
        paths.insert(format!("/v1/{kind}"), collection(*kind, &name));
        paths.insert(format!("/v1/{kind}/{{id}}"), item(*kind, &name));
    }
    paths.extend(floors());
    let funnel = of_one(
        "what became of requests, by exchange and hour",
        &["hours", "exchange"],
    );
    paths.insert("/v1/line_items/{id}/funnel".to_owned(), funnel);
    let report = of_one("what became of a deal, and why its buyers do not win", &[]);
    paths.insert("/v1/deals/{id}/report".to_owned(), report);
    paths.insert("/v1/conversions".to_owned(), conversions());
    schemas.insert("Problem".to_owned(), problem());
    for (path, method, summary, parameters) in [
        (
            "/v1/reload",
            "post",
            "read the configuration again",
            &[][..],
        ),
        (
            "/v1/statements",
            "get",
            "billing statement of an account",
            &["account", "month", "format"],
        ),
        (
            "/v1/reports/conversions",
            "get",
            "conversions by line item and credit",
            &["advertiser", "from", "to"],
        ),
        (
            "/v1/notices/refused",
            "get",
            "refused notices, the newest first",
            &["reason", "exchange", "state", "limit", "cursor"],
        ),
        (
            "/v1/notices/refused/replay",
            "post",
            "judge refused notices again: reason, exchange, ids, after, limit in the body",
            &[],
        ),
        ("/v1/audit", "get", "who changed what", &["limit", "cursor"]),
        (
            "/v1/explain",
            "post",
            "why each line item bids on a bid request or does not",
            &["exchange", "line_item", "limit", "seed"],
        ),
        (
            "/v1/forecast",
            "post",
            "what a draft of a line item would get in a day",
            &[],
        ),
        (
            "/v1/floors/simulate",
            "post",
            "what a draft of floors would have sold: publisher, days, floors in the body",
            &[],
        ),
        (
            "/v1/floors/suggest",
            "post",
            "floors made of logged auctions: publisher, days, fields, max_percent, least_imps in \
             the body",
            &[],
        ),
        ("/v1/openapi.json", "get", "this description", &[]),
        ("/livez", "get", "whether the process runs", &[]),
        ("/readyz", "get", "what is not ready", &[]),
        ("/metrics", "get", "metrics in Prometheus text", &[]),
    ] {
        let parameters: Vec<Value> = parameters.iter().map(|name| in_query(name)).collect();
        let operation = json!({
            "summary": summary,
            "parameters": parameters,
            "responses": { "200": { "description": "done" }, "default": failed() },
        });
        paths.insert(path.to_owned(), json!({ method: operation }));
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Gavel control plane", "version": env!("CARGO_PKG_VERSION") },
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// Conversions are listed and reported, and never changed.
fn conversions() -> Value {
    json!({
        "get": {
            "summary": "conversions of an advertiser, the newest first",
            "parameters": [in_query("advertiser"), in_query("limit"), in_query("cursor")],
            "responses": { "200": { "description": "a page" }, "default": failed() },
        },
        "post": {
            "summary": "report a conversion, or up to 1,000 as `conversions`",
            "requestBody": content("the conversion", &NewConversion::schema()),
            "responses": {
                "200": { "description": "counted, with what it is credited to" },
                "default": failed(),
            },
        },
    })
}

/// What only floors have: their state, their versions and the way back.
fn floors() -> [(String, Value); 4] {
    let in_path = |name: &str| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    let of = |path: &str, method: &str, summary: &str, extra: Value| {
        let mut parameters = vec![in_path("id")];
        if path.contains("{version}") {
            parameters.push(in_path("version"));
        }
        parameters.extend(extra.as_array().into_iter().flatten().cloned());
        let operation = json!({
            "summary": summary,
            "parameters": parameters,
            "responses": { "200": { "description": "done" }, "default": failed() },
        });
        (
            format!("/v1/floors/{{id}}/{path}"),
            json!({ method: operation }),
        )
    };
    let page = json!([in_query("limit"), in_query("cursor")]);
    let guards = json!([in_query("validate_only"), in_header("If-Match")]);
    [
        of(
            "status",
            "get",
            "how many rules serve, and how fetching goes",
            json!([]),
        ),
        of("versions", "get", "who changed the floors, and when", page),
        of(
            "versions/{version}",
            "get",
            "the floors as they were",
            json!([]),
        ),
        of(
            "versions/{version}/restore",
            "post",
            "make them so again, as a new version",
            guards,
        ),
    ]
}

/// What became of the requests, from all that an exchange made to what it billed.
/// What is told of one document, beside the document.
fn of_one(summary: &str, parameters: &[&str]) -> Value {
    let id =
        json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
    let others = parameters.iter().map(|name| in_query(name));
    let parameters: Vec<Value> = std::iter::once(id).chain(others).collect();
    json!({ "get": {
        "summary": summary,
        "parameters": parameters,
        "responses": { "200": { "description": "done" }, "default": failed() },
    } })
}

fn collection(kind: Kind, name: &str) -> Value {
    let mut listed = vec![in_query("limit"), in_query("cursor"), in_query("archived")];
    let parents = kind
        .fixed_fields()
        .iter()
        .filter(|field| **field != "currency");
    listed.extend(parents.map(|field| in_query(field)));
    let page = json!({
        "type": "object",
        "properties": {
            "items": { "type": "array", "items": schema(name) },
            "next": { "type": ["string", "null"], "description": "cursor of the next page" },
        },
    });
    let mut methods = json!({
        "get": {
            "summary": format!("list {kind}"),
            "parameters": listed,
            "responses": { "200": content("a page", &page), "default": failed() },
        },
    });
    if kind != Kind::Floors {
        methods["post"] = json!({
            "summary": format!("add to {kind}"),
            "parameters": [in_query("validate_only"), in_header("Idempotency-Key")],
            "requestBody": content("the document", &schema(name)),
            "responses": {
                "201": content("created", &schema(name)),
                "200": content("valid, and not kept", &schema(name)),
                "default": failed(),
            },
        });
    }
    methods
}

fn item(kind: Kind, name: &str) -> Value {
    let changed = || {
        json!({
            "200": content("the document as it is now", &schema(name)),
            "default": failed(),
        })
    };
    let guards = json!([in_query("validate_only"), in_header("If-Match")]);
    let mut put_answers = changed();
    put_answers["201"] = content("created", &schema(name));
    let patch = json!({
        "content": { "application/merge-patch+json": { "schema": { "type": "object" } } },
    });
    let id =
        json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
    json!({
        "parameters": [id],
        "get": { "summary": format!("one of {kind}"), "responses": changed() },
        "put": {
            "summary": "replace or create",
            "parameters": guards,
            "requestBody": content("the document", &schema(name)),
            "responses": put_answers,
        },
        "patch": {
            "summary": "change some fields (RFC 7386)",
            "parameters": guards,
            "requestBody": patch,
            "responses": changed(),
        },
        "delete": {
            "summary": "archive",
            "parameters": guards,
            "responses": { "204": { "description": "archived" }, "default": failed() },
        },
    })
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn content(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn in_query(name: &str) -> Value {
    json!({ "name": name, "in": "query", "schema": { "type": "string" } })
}

fn in_header(name: &str) -> Value {
    json!({ "name": name, "in": "header", "schema": { "type": "string" } })
}

fn failed() -> Value {
    json!({
        "description": "everything that is wrong",
        "content": { "application/problem+json": { "schema": schema("Problem") } },
    })
}

fn problem() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "faults"],
        "properties": {
            "type": text,
            "title": text,
            "status": { "type": "integer" },
            "detail": text,
            "faults": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "detail"],
                    "properties": { "pointer": text, "detail": text },
                },
            },
        },
    })
}
