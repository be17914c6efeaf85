#pragma once

#include <functional>
#include <string>

#include "decant/store/chunk_codec.h"
#include "decant/store/ledger.h"

namespace decant {

// Decodes every label of a span and compares entries, bytes and content digest with its trailer. `get` gives the value
// of a key, or false when it is not there. kDataLoss with what is wrong.
using GetRecord = std::function<bool(const std::string& key, std::string* value)>;
void CheckSpanContent(const Layout& layout, const ChunkCodec& codec, const SpanTrailer& trailer, const GetRecord& get);

}  // namespace decant
