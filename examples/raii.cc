// SPDX-License-Identifier: MIT
// C++17: handles that end themselves, errors that are thrown. raii DB [mmap]
#include "verso.h"

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string_view>

static int must(int code) { return code >= 0 ? code : throw std::runtime_error(verso_errmsg(nullptr)); }
template <auto end> struct ends { template <class T> void operator()(T *handle) const { end(handle); } };
using database = std::unique_ptr<verso, ends<verso_close>>;
using transaction = std::unique_ptr<verso_txn, ends<verso_abort>>; // forgotten unless committed

static database open(const char *path, verso_pager pager)
{
	verso *db;
	verso_options options{};
	options.size = sizeof(options), options.flags = VERSO_CREATE, options.pager = pager;
	return must(verso_open(path, &options, &db)), database(db);
}
static transaction begin(const database &db, unsigned flags)
{
	verso_txn *txn;
	return must(verso_begin(db.get(), flags, &txn)), transaction(txn);
}
static verso_val val(std::string_view s) { return {s.data(), s.size()}; }
int main(int argc, char **argv)
try {
	auto db = open(argc > 1 ? argv[1] : "", argc > 2 ? VERSO_MMAP : VERSO_BUFPOOL);
	auto txn = begin(db, VERSO_WRITE);
	must(verso_put(txn.get(), nullptr, val("moon"), val("1737 km"), 0));
	must(verso_commit(txn.release()));
	verso_val found;
	txn = begin(db, VERSO_READ);
	if (must(verso_get(txn.get(), nullptr, val("moon"), &found)) == 0)
		std::cout << std::string_view(static_cast<const char *>(found.data), found.len) << '\n';
} catch (const std::exception &error) {
	return std::cerr << error.what() << '\n', 1;
}
