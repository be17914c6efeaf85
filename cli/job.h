#pragma once

#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "decant/consumer/trainer.h"
#include "decant/data/open_source.h"
#include "decant/data/order.h"
#include "decant/data/token_view.h"
#include "decant/data/view.h"
#include "decant/models/network_spec.h"
#include "decant/producer/label_pipeline.h"
#include "decant/producer/teacher.h"

namespace decant {

// A job file, resolved: every key has a value. Keys and defaults: docs/job.md.
struct Job {
  struct Data : SourceOptions {
    std::string test_split = "test";
  } data;
  struct Views : ViewSpec {
    std::string order = "global";
    uint32_t epochs_per_order = 1;
    uint64_t seed = 0;
    std::string from;      // another store, whose views these are
    TokenViewSpec tokens;  // of token sources

    OrderSpec order_spec() const { return {ParseOrderKind(order), epochs_per_order}; }
  } views;
  struct LabelledTeacher : TeacherOptions {
    std::string class_names;  // a file with the classes' names
    std::string tokenizer;    // the file that made the classes of a language model
    double min_accuracy = 0;  // on data.test_split, before the first span
    bool any_processor = false;
  } teacher;
  struct Labels {
    std::string store;
    uint32_t epochs = 1;
    uint32_t k = 10;
    std::string selection = "top_k";
    double p = 0.99;
    std::vector<double> temperatures = {1};
    bool true_label = false;
    bool view_fingerprints = true;
    std::string values = "log_probs";
    double delta = 0.03125;
    double max_delta = 0;
    std::string prior = "learnt";
    uint32_t calibration_labels = 4096;
    uint32_t chunk_size = 1024;
    uint32_t span_chunks = 64;
  } labels;
  struct Produce : PipelineOptions {
    bool check_space = true;  // before the first span
  } produce;
  struct Student : NetworkSpec {
    std::vector<uint32_t> image_size;  // [side] or [height, width]
  } student;
  struct Training : TrainOptions {
    std::string labels = "store";
    std::vector<std::string> teachers;  // further stores, of other teachers that saw the same views: averaged
    double temperature = 0;             // one of the store's; 0: its first
    double wait_seconds = 0;            // for labels that are being produced
  } train;

  std::string path;             // of the job file
  std::set<std::string> given;  // keys that the file or the command line sets, "section.key"

  // Takes order, seed and views from a store's schema.
  void TakeViews(const Schema& schema);
  // All keys with their values, by section.
  nlohmann::json ToJson() const;
  // kInvalidArgument when a key that the command needs has no value.
  void Require(const std::string& key) const;
};

// Reads a job file, if `path` is not empty, and lays the command line's `overrides` ("--section.key=value") over it.
// Relative paths in the file are relative to the file's folder, in overrides to the current one. kNotFound without the
// file; kInvalidArgument for bad TOML, an unknown key (with the nearest known one) or a value of a wrong type, with
// file and line.
Job ReadJob(const std::string& path, const std::vector<std::string>& overrides);

}  // namespace decant
