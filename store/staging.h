#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "decant/store/schema.h"
#include "decant/store/span_writer.h"

namespace decant {

// A writer's staging folder, where span files wait to be committed.
class Staging {
 public:
  // That of the writer with this lease. Created by TakeOver().
  Staging(std::string store_path, uint64_t lease);
  // Removes everything but finished span files, which the next writer may adopt.
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  const std::string& path() const { return path_; }
  // Of a complete store, where nothing waits: a worker that was cut off, and comes back, finds no folder to write to.
  void Remove();

  // Creates the folder, takes the finished span files of earlier writers and of guests into it, and removes the folders
  // of the writers.
  void TakeOver();
  // Takes the finished span files of guests.
  void TakeFromGuests();
  // The spans of the files that were taken over, as their names say: ascending, each once.
  std::vector<uint64_t> TakenSpans() const;
  // Reads those of them that are `wanted` to the last label; returns the sound ones, one for each span, and removes the
  // rest.
  std::vector<SpanFile> Check(const Schema& schema, const std::function<bool(uint64_t span)>& wanted);

 private:
  void TakeFrom(const std::string& folder);

  const std::string store_path_;
  const uint64_t lease_;
  const std::string path_;
  std::multimap<uint64_t, std::string> taken_;  // files by span
};

}  // namespace decant
