#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace decant {

// Something wrong with a store: the file or place, and what was expected and found there.
struct Damage {
  std::string where;
  std::string what;
};

struct VerifyReport {
  uint64_t num_files = 0;  // files of the database that were read to the end
  uint64_t file_bytes = 0;
  uint64_t num_spans = 0;      // that the schema asks for
  uint64_t num_committed = 0;  // with a sound ledger entry
  uint64_t num_expired = 0;    // of these, spans of expired epochs: their labels are gone on purpose
  uint64_t num_labels = 0;     // decoded
  uint64_t num_entries = 0;
  double seconds = 0;
  std::optional<std::string> digest;  // recomputed from the decoded labels; only for a complete, sound store
  bool sealed = false;                // the store's digest is recorded
  std::vector<Damage> damages;
  std::vector<uint64_t> bad_spans;  // with damage in their files: what a repair drops

  bool sound() const { return damages.empty(); }
  bool complete() const { return num_committed == num_spans; }
};

// Reads every byte of a store's SSTs and its seal: each file's size and checksum, each chunk, each label, each span's
// content digest, and the store's digest against the seal. Goes on after damage, so that the report names all of it.
// Uses `num_threads` threads. kNotFound when there is no store; a store that cannot be opened at all is reported as
// damage.
VerifyReport VerifyStore(const std::string& path, unsigned num_threads);

}  // namespace decant
