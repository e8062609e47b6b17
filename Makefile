# Flotilla: one non-recursive Makefile.
#   make            all programs, into build/bin          make run     three nodes on loopback, a share, a kill
#   make test       everything that proves it             make check   unit tests only, fast (V=asan, V=tsan too)
#   make sim SEED=7 | SEEDS=2000    make fuzz    make bench    make lint    make format    make install    make deps
V ?= release
BUILD ?= build
B := $(BUILD)/$(V)

CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
ifeq ($(V),fuzz)
CC := clang
endif
COMMON := -std=c17 -D_GNU_SOURCE -g -fno-common -fno-omit-frame-pointer -I. -I$(BUILD)/gen
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wswitch-enum -Wstrict-prototypes \
        -Wmissing-prototypes -Wvla -Wimplicit-fallthrough -Werror
FLAGS_release := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
FLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan := -O1 -fsanitize=thread
FLAGS_fuzz := -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
CFLAGS_ALL := $(COMMON) $(FLAGS_$(V)) $(CFLAGS)

# libraft 0.15.0 loses acknowledged metadata: it must never be linked.
LIBS := -lraft -luv -luring -lprotobuf-c -lssl -lcrypto -lgssapi_krb5 -lkrb5 -lxxhash -ljansson -linih -lpthread
NOT_BUILDING := deps help clean format lint-tidy
ifneq ($(filter-out $(NOT_BUILDING),$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell pkg-config --exists 'raft >= 0.22.1' && echo yes),yes)
$(error libraft >= 0.22.1 is needed (found: $(or $(shell pkg-config --modversion raft 2>/dev/null),none)); run: make deps)
endif
endif

# --- the law of the layout: folders, and what each links -----------------------------------------
LAYERS := tests/lint/layers.txt
FOLDERS := $(shell sed 's/\#.*//' $(LAYERS) | awk 'NF {print $$1}')
$(foreach f,$(FOLDERS),$(eval DEPS_$(f) := $(shell sed 's/\#.*//' $(LAYERS) | awk '$$1 == "$(f)" {$$1 = $$2 = ""; print}')))
closure = $(sort $(1) $(foreach d,$(DEPS_$(1)),$(call closure,$(d))))

PROTOS := $(wildcard proto/cluster/*.proto)
GEN := $(PROTOS:%.proto=$(BUILD)/gen/%.pb-c.c)
sources = $(filter-out %/main.c,$(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(B)/%.o,$(call sources,$(1))) \
          $(if $(filter proto/cluster,$(1)),$(PROTOS:%.proto=$(B)/gen/%.pb-c.o))
archive = $(B)/$(1)/all.a
archives = $(foreach f,$(1),$(call archive,$(f)))
link = $(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(2) $(LIBS)

PROGRAMS := $(BUILD)/bin/flotilla-node $(BUILD)/bin/flotilla-coordinator $(BUILD)/bin/flotilla-witness $(BUILD)/bin/flotilla
MAIN_flotilla-node := node/io
MAIN_flotilla-coordinator := coordinator/io
MAIN_flotilla-witness := witness/io
MAIN_flotilla := coordinator/ctl

.PHONY: all deps deps-test run test check sim fuzz bench lint format install clean
.SECONDARY:
all: $(PROGRAMS)

define FOLDER_RULE
$(call archive,$(1)): $(call objects,$(1)) $(LAYERS)
	@mkdir -p $$(@D) && rm -f $$@
	ar rcs $$@ $$(filter %.o,$$^)
endef
$(foreach f,$(FOLDERS),$(eval $(call FOLDER_RULE,$(f))))

define PROGRAM_RULE
$(BUILD)/bin/$(1): $(B)/$(MAIN_$(1))/main.o $(call archives,$(call closure,$(MAIN_$(1))))
	@mkdir -p $$(@D)
	$$(call link)
endef
$(foreach p,$(notdir $(PROGRAMS)),$(eval $(call PROGRAM_RULE,$(p))))

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: %.proto
	@mkdir -p $(@D)
	protoc-c --c_out=$(BUILD)/gen $<
$(B)/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -w -MMD -MP -c -o $@ $<
$(B)/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(WARN) -MMD -MP -c -o $@ $<

# --- tests: tests/<folder>/test_<file>.c links the closure of <folder> ----------------------------
UNIT_SOURCES := $(foreach f,$(FOLDERS),$(wildcard tests/$(f)/test_*.c))
UNIT := $(UNIT_SOURCES:%.c=$(B)/%)
LIB_TESTS := $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c))

define UNIT_RULE
$(patsubst %.c,$(B)/%,$(1)): $(patsubst %.c,$(B)/%.o,$(1)) $(LIB_TESTS) $(call archives,$(call closure,$(patsubst tests/%/,%,$(dir $(1)))))
	$$(call link,,-lcmocka)
endef
$(foreach t,$(UNIT_SOURCES),$(eval $(call UNIT_RULE,$(t))))

# --- fuzzing: tests/fuzz/fuzz_<name>.c; clang links libFuzzer, any compiler links the replayer ------
FUZZERS := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_ARCHIVES := $(call archives,$(filter-out %/io %/ctl,$(FOLDERS)))
ifeq ($(V),fuzz)
$(FUZZERS): $(B)/%: $(B)/%.o $(FUZZ_ARCHIVES)
	$(call link,,-fsanitize=fuzzer)
else
$(FUZZERS): $(B)/%: $(B)/%.o $(B)/tests/fuzz/replay.o $(FUZZ_ARCHIVES)
	$(call link)
endif

# --- the simulator ----------------------------------------------------------------------------------
SIM := $(B)/tests/sim/sim
$(SIM): $(patsubst %.c,$(B)/%.o,$(wildcard tests/sim/*.c)) $(call archives,$(filter-out %/io %/ctl proto/daemon,$(FOLDERS)))
	$(call link)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
