#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/json.h"

namespace bethany {

/// The names of a kind at that moment: `placement` gives those of the registry.
using NamesOfKind = std::function<std::vector<std::string>(std::string_view kind)>;

/// A JSON Schema (draft-07) written short. Objects are closed: what is not named is refused.
///
///     str int num bool any                 a value of that kind
///     duration bytes bandwidth flops       a text with a unit, as "1.5min"
///     'text'                               this text
///     #kind                                one of the names of the kind
///     @name                                what is defined under that name
///     T?                                   T or null
///     T|T                                  one or the other
///     [T]                                  an array of them
///     {key: T, key?: T, #kind: T, *: T}    an object; ?: may be missing, #kind: each name is a
///     key,
///                                          *: any other key
///
/// Names of definitions that it uses are added to `used`. CHECK: the shape is well formed.
JsonNode schema_of(std::string_view shape, const NamesOfKind& names, std::set<std::string>& used);

}  // namespace bethany
