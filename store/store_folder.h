#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace decant {

// Where the parts of a store are.

// The database: the folder `db`, or of those called db.<generation> the one with the highest number. A writer that
// takes a store over from one that may wake up again goes on in a new generation, where that one cannot do harm.
std::string DatabasePath(const std::string& store_path);
// The seal of a complete store.
std::string SealPath(const std::string& store_path);
// The leases of those who wrote to it, a numbered file each.
std::string LeasePath(const std::string& store_path);
// The span files that wait to be committed: a numbered folder for the writer of each lease.
std::string StagingPath(const std::string& store_path);
std::string StagingPath(const std::string& store_path, uint64_t lease);
// Of the writer that came last; kNotFound when there was none.
std::string NewestStagingPath(const std::string& store_path);
// The codec tables for those who write spans, in a writer's staging folder.
std::string StagedTablesPath(const std::string& staging_path);
// The store that a repair builds, before its database becomes the newest generation of the damaged one.
std::string RepairPath(const std::string& store_path);

// A number with six digits or more, as files and folders of a store have it.
std::string NumberName(uint64_t number);
// The entries of `folder` that are called so, ascending; none when there is no such folder.
std::vector<uint64_t> ListNumbers(const std::string& folder);

// The number of the database's generation; 0 for the first, or when there is none.
uint64_t CurrentGeneration(const std::string& store_path);
// Makes a generation that has the files of the database at `from`, linked, and is the current one from then on.
// Durable.
void BeginGeneration(const std::string& store_path, uint64_t generation, const std::string& from);
// Removes older generations, and what is left of those that were not finished.
void RemoveOldGenerations(const std::string& store_path);

// Whether `path` holds anything that is not a part of a store.
bool HoldsForeignFiles(const std::string& path);

}  // namespace decant
