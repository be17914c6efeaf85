#pragma once

#include <memory>
#include <optional>
#include <string>

#include "decant/producer/span_labels.h"
#include "decant/store/schema.h"

namespace decant {

struct GuestOptions {
  // How long a labeller, or a writer, may show no sign of life before others go on without it, 0.5 to 86400.
  double lease_seconds = 30;
  std::string scratch;  // a folder of this machine where span files are written first; empty: in the store's folder
};

// Labels a store beside any number of others of its kind and a `decant produce`, without a coordinator, and wherever
// the teacher is: each claims spans (store/span_claims.h) and leaves their finished files in the store's folder, and
// whoever has the right to write commits them. The labels are those of `decant produce`, whoever computed which.
//
//   GuestLabeller labeller(path, schema, {});
//   while (!labeller.IsComplete()) {
//     std::optional<SpanLabels> labels = labeller.Claim();
//     if (!labels) continue;  // after a moment: others are at the last spans
//     labels->PutLogits(...);  // until all samples are there
//     labels->Commit();
//   }
//
// The first labels of a new store are those of its calibration, which belong to no span; Claim() hands them out like
// one. Not thread-safe.
class GuestLabeller {
 public:
  // Joins the store, or is about to create it. kMismatch, naming the fields, when it was begun with another schema.
  GuestLabeller(const std::string& path, const Schema& schema, const GuestOptions& options);
  // Commits what this labeller has finished, if no other process is writing; drops the spans that it has not.
  ~GuestLabeller();
  GuestLabeller(const GuestLabeller&) = delete;
  GuestLabeller& operator=(const GuestLabeller&) = delete;

  const Schema& schema() const;
  // The labels of a span that nobody else is labelling; nothing when there is none at the moment. One at a time. Throws
  // what committing threw since the last call.
  std::optional<SpanLabels> Claim();
  // Whether all labels are committed, and the store is sealed.
  bool IsComplete();
  uint64_t num_spans_committed() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace decant
