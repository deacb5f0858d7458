//! As much of JSON Schema as our own schema uses.

use serde_json::Value;

/// Checks a value against as much of JSON Schema as our own schema uses; says where it doesn't fit.
pub(crate) fn conforms(
    value: &Value,
    schema: &Value,
    root: &Value,
    path: &str,
) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix("#/$defs/").expect("references lead to $defs");
        return conforms(value, &root["$defs"][name], root, path);
    }
    if let Some(choices) = schema["enum"].as_array() {
        return if choices.contains(value) { Ok(()) } else { Err(format!("{path}: {value}")) };
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = choices.iter().map(|choice| conforms(value, choice, root, path));
        let errors: Vec<_> = fits.filter_map(Result::err).collect();
        return if errors.len() < choices.len() { Ok(()) } else { Err(errors.join(" or ")) };
    }
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other} in the schema"),
    };
    let fits = match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
        _ => panic!("{path} has no type in the schema"),
    };
    if !fits {
        return Err(format!("{path}: {value} is not {}", schema["type"]));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        conforms(item, &schema["items"], root, &format!("{path}[{index}]"))?;
    }
    let Some(members) = value.as_object() else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(name) {
            return Err(format!("{path}.{name} is missing"));
        }
    }
    for (name, member) in members {
        let path = format!("{path}.{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, more @ Value::Object(_)) => conforms(member, more, root, &path)?,
            (Value::Null, _) => return Err(format!("{path} is not in the schema")),
            (property, _) => conforms(member, property, root, &path)?,
        }
    }
    Ok(())
}
