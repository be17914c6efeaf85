#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace decant {

// The file's whole content; kNotFound, kUnavailable.
std::string ReadFile(const std::string& path);

// Replaces `path` by a file with `content`, or leaves it as it was: writes `path`.tmp-<pid> beside it, fsyncs, renames,
// fsyncs the directory. Missing parent directories are created.
void WriteFileAtomically(const std::string& path, std::string_view content);

// The same for files that nobody misses after a power cut: does not fsync, nor create directories.
void ReplaceFile(const std::string& path, std::string_view content);

// Appends to a file, which is created if need be, in one write.
void AppendToFile(const std::string& path, std::string_view content);

// fsyncs a file.
void SyncFile(const std::string& path);

// fsyncs a directory, so that the names in it survive a power cut.
void SyncDirectory(const std::string& path);

// Gives the file `from`, which is durable, the name `to`, durably. To another file system it is copied beside `to`,
// fsynced and renamed, so that `to` is never half a file; then `from` is removed.
void MoveFile(const std::string& from, const std::string& to);

// Bytes that this user can still write to the file system of `path`.
uint64_t FreeBytes(const std::string& path);

// Creates `path` and its parents; a directory that exists is fine.
void CreateDirectories(const std::string& path);

}  // namespace decant
