#pragma once

#include <string>
#include <vector>

#include "decant/store/store_writer.h"

namespace decant {

// A span of another store, as a file.
struct SpanSource {
  std::string file;
  SpanTrailer trailer;
};

// Commits the spans that the writer's store does not have. Files are linked, not rewritten, and stay where they are.
void CommitLinked(const std::vector<SpanSource>& sources, StoreWriter* writer);

}  // namespace decant
