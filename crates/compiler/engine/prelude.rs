//! The JavaScript part of the engine, in the order in which its files make one module. A file uses at its top level only what a file
//! before it declares; inside functions it may use all.

/// Name and text of each file.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("primordials.js", include_str!("prelude/primordials.js")),
    ("platform.js", include_str!("prelude/platform.js")),
    ("evaluation.js", include_str!("prelude/evaluation.js")),
    ("random.js", include_str!("prelude/random.js")),
    ("source_map.js", include_str!("prelude/source_map.js")),
    ("failure.js", include_str!("prelude/failure.js")),
    ("inspect.js", include_str!("prelude/inspect.js")),
    ("console.js", include_str!("prelude/console.js")),
    ("operations.js", include_str!("prelude/operations.js")),
    ("timers.js", include_str!("prelude/timers.js")),
    ("performance.js", include_str!("prelude/performance.js")),
    ("encoding.js", include_str!("prelude/encoding.js")),
    ("events.js", include_str!("prelude/events.js")),
    ("abort.js", include_str!("prelude/abort.js")),
    ("crypto.js", include_str!("prelude/crypto.js")),
    ("percent.js", include_str!("prelude/percent.js")),
    ("punycode.js", include_str!("prelude/punycode.js")),
    ("url_host.js", include_str!("prelude/url_host.js")),
    ("url_parser.js", include_str!("prelude/url_parser.js")),
    ("url_search_params.js", include_str!("prelude/url_search_params.js")),
    ("url.js", include_str!("prelude/url.js")),
    ("blob.js", include_str!("prelude/blob.js")),
    ("readable_stream.js", include_str!("prelude/readable_stream.js")),
    ("stream_reader.js", include_str!("prelude/stream_reader.js")),
    ("writable_stream.js", include_str!("prelude/writable_stream.js")),
    ("transform_stream.js", include_str!("prelude/transform_stream.js")),
    ("headers.js", include_str!("prelude/headers.js")),
    ("form_data.js", include_str!("prelude/form_data.js")),
    ("multipart.js", include_str!("prelude/multipart.js")),
    ("body.js", include_str!("prelude/body.js")),
    ("body_source.js", include_str!("prelude/body_source.js")),
    ("request.js", include_str!("prelude/request.js")),
    ("response.js", include_str!("prelude/response.js")),
    ("fetch.js", include_str!("prelude/fetch.js")),
    ("clone.js", include_str!("prelude/clone.js")),
    ("definition.js", include_str!("prelude/definition.js")),
    ("content.js", include_str!("prelude/content.js")),
    ("tool.js", include_str!("prelude/tool.js")),
    ("resource.js", include_str!("prelude/resource.js")),
    ("prompt.js", include_str!("prelude/prompt.js")),
    ("acceptance.js", include_str!("prelude/acceptance.js")),
    ("questions.js", include_str!("prelude/questions.js")),
    ("context.js", include_str!("prelude/context.js")),
    ("exports.js", include_str!("prelude/exports.js")),
];

/// All files as the one module that `boot` takes.
pub(crate) fn module() -> String {
    FILES.iter().flat_map(|(name, text)| ["// ", name, "\n", text, "\n"]).collect()
}
