# Flotilla: one non-recursive Makefile.
#   make            all programs, into build/bin          make run     three nodes on loopback, a share, a kill
#   make test       everything that proves it             make check   unit tests only, fast (V=asan, V=tsan too)
#   make sim SEED=7 | SEEDS=2000    make fuzz    make bench    make lint    make format    make install    make deps
V ?= release
BUILD ?= build
B := $(BUILD)/$(V)
PREFIX ?= /usr/local
SEEDS ?= 200

CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
ifeq ($(V),fuzz)
CC := clang
endif
COMMON := -std=c17 -D_GNU_SOURCE -g -fno-common -fno-omit-frame-pointer -I. -I$(BUILD)/gen
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wswitch-enum -Wstrict-prototypes \
        -Wmissing-prototypes -Wvla -Wimplicit-fallthrough -Werror
# gcc's guess at when snprintf() cuts a text short depends on what was inlined, and we cut texts on
# purpose; clang dislikes must(!"what cannot be").
WARN += $(if $(findstring clang,$(CC)),-Wno-string-conversion,-Wno-format-truncation)
FLAGS_release := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
FLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan := -O1 -fsanitize=thread
FLAGS_fuzz := -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
ifeq ($(FLAGS_$(V)),)
$(error V=$(V): the variants are release, asan, tsan and fuzz)
endif
CFLAGS_ALL := $(COMMON) $(FLAGS_$(V)) $(CFLAGS)

# libraft 0.15.0 loses acknowledged metadata: it must never be linked.
LIBS := -lraft -luv -luring -lprotobuf-c -lssl -lcrypto -lgssapi_krb5 -lkrb5 -lxxhash -ljansson -linih -lpthread
NOT_BUILDING := deps deps-test help clean format
ifneq ($(filter-out $(NOT_BUILDING),$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell pkg-config --exists 'raft >= 0.22.1' && echo yes),yes)
$(error libraft >= 0.22.1 is needed (found: $(or $(shell pkg-config --modversion raft 2>/dev/null),none)); run: make deps)
endif
endif

# --- the law of the layout: folders, and what each links -----------------------------------------
LAYERS := tests/lint/layers.txt
LAW := $(shell sed 's/\#.*//; s/[ \t][ \t]*/:/g; s/:$$//' $(LAYERS))
FOLDERS := $(foreach l,$(LAW),$(firstword $(subst :, ,$(l))))
$(foreach l,$(LAW),$(eval DEPS_$(firstword $(subst :, ,$(l))) := $(wordlist 3,99,$(subst :, ,$(l)))))
closure = $(sort $(1) $(foreach d,$(DEPS_$(1)),$(call closure,$(d))))

PROTOS := $(wildcard proto/cluster/*.proto)
GEN := $(PROTOS:%.proto=$(BUILD)/gen/%.pb-c.c)
sources = $(filter-out %/main.c,$(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(B)/%.o,$(call sources,$(1))) \
          $(if $(filter proto/cluster,$(1)),$(PROTOS:%.proto=$(B)/gen/%.pb-c.o))
archive = $(B)/$(1)/all.a
archives = $(foreach f,$(1),$(call archive,$(f)))
link = $(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(2) $(LIBS)

MAIN_flotilla-node := node/io
MAIN_flotilla-coordinator := coordinator/io
MAIN_flotilla-witness := witness/io
MAIN_flotilla := coordinator/ctl
NAMES := $(foreach p,flotilla-node flotilla-coordinator flotilla-witness flotilla,$(if $(wildcard $(MAIN_$(p))/main.c),$(p)))
PROGRAMS := $(NAMES:%=$(BUILD)/bin/%)

.PHONY: all deps deps-test run test check sim fuzz bench lint format install clean help \
        unit fuzzers schedules simulator loads pure-archives list-unit list-fuzzers list-schedules
.SECONDARY:
.DELETE_ON_ERROR:
all: $(PROGRAMS)

define FOLDER_RULE
$(call archive,$(1)): $(call objects,$(1)) $(LAYERS)
	@mkdir -p $$(@D) && rm -f $$@
	ar rcs $$@ $$(filter %.o,$$^)
endef
$(foreach f,$(FOLDERS),$(eval $(call FOLDER_RULE,$(f))))

# Programs are linked beside their objects and then put in place: build/bin holds the variant built last.
define PROGRAM_RULE
$(B)/bin/$(1): $(B)/$(MAIN_$(1))/main.o $(call archives,$(call closure,$(MAIN_$(1))))
	@mkdir -p $$(@D)
	$$(call link)
$(BUILD)/bin/$(1): $(B)/bin/$(1) $(BUILD)/bin/.$(V)
	@mkdir -p $$(@D)
	cp $$< $$@.new && mv $$@.new $$@
endef
$(foreach p,$(NAMES),$(eval $(call PROGRAM_RULE,$(p))))
$(BUILD)/bin/.$(V):
	@mkdir -p $(@D) && rm -f $(foreach v,release asan tsan fuzz,$(@D)/.$(v)) && touch $@

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: %.proto
	@mkdir -p $(@D)
	protoc-c --c_out=$(BUILD)/gen $<
$(B)/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -w -MMD -MP -c -o $@ $<
$(B)/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(WARN) -MMD -MP -c -o $@ $<

# --- tests: programs tests/<folder>/{test,fuzz}_*.c link the closure of <folder>, tests/lib, and the
# other .c files beside them. fuzz_*.c are fuzzers with a main of their own, such as schedules. -------
UNIT_SOURCES := $(foreach f,$(FOLDERS),$(wildcard tests/$(f)/test_*.c))
SCHEDULE_SOURCES := $(foreach f,$(FOLDERS),$(wildcard tests/$(f)/fuzz_*.c))
UNIT := $(UNIT_SOURCES:%.c=$(B)/%)
SCHEDULES := $(SCHEDULE_SOURCES:%.c=$(B)/%)
LIB_TESTS := $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c))
beside = $(filter-out $(1)test_%.c $(1)fuzz_%.c,$(wildcard $(1)*.c))

define TEST_RULE
$(B)/$(1:%.c=%): $(B)/$(1:%.c=%.o) $(patsubst %.c,$(B)/%.o,$(call beside,$(dir $(1)))) $(LIB_TESTS) \
    $(call archives,$(call closure,$(patsubst tests/%/,%,$(dir $(1)))))
	$$(call link,,-lcmocka)
endef
$(foreach t,$(UNIT_SOURCES) $(SCHEDULE_SOURCES),$(eval $(call TEST_RULE,$(t))))
unit: $(UNIT)
schedules: $(SCHEDULES)
check: unit
	@tests/unit.sh $(UNIT)

# --- fuzzing: tests/fuzz/fuzz_<name>.c links the closure of the folders it includes; clang links
# libFuzzer, any compiler links the replayer ---------------------------------------------------------
FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)
FUZZERS := $(FUZZ_SOURCES:%.c=$(B)/%)
included = $(filter $(FOLDERS),$(sort $(shell sed -n 's,^\#include "\(.*\)/[^/]*".*,\1,p' $(1))))
FUZZ_MAIN := $(if $(filter fuzz,$(V)),,$(B)/tests/fuzz/replay.o)
define FUZZ_RULE
$(B)/$(1:%.c=%): $(B)/$(1:%.c=%.o) $(FUZZ_MAIN) $(LIB_TESTS) \
    $(call archives,$(sort $(foreach f,$(call included,$(1)),$(call closure,$(f)))))
	$$(call link,,$(if $(filter fuzz,$(V)),-fsanitize=fuzzer))
endef
$(foreach t,$(FUZZ_SOURCES),$(eval $(call FUZZ_RULE,$(t))))
fuzzers: $(FUZZERS)
fuzz:
	@tests/fuzz/run.sh $(BUILD)

# --- the simulator: `sim --seed N`, `sim --seeds N`, `sim --self-test` -------------------------------
# Nodes and coordinators share one process there: a coordinator's internal names stay its own.
SIM := $(B)/tests/sim/sim
SIM_COORDINATOR := $(filter coordinator/%,$(filter-out %/io %/ctl,$(FOLDERS)))
SIM_ARCHIVES := $(call archives,$(filter-out coordinator/% %/io %/ctl proto/daemon,$(FOLDERS)))
$(B)/coordinator/all.o: $(call archives,$(SIM_COORDINATOR))
	@mkdir -p $(@D)
	ld -r -o $@ --whole-archive $^
	objcopy --wildcard $(foreach n,coordinator meta raft,--keep-global-symbol='$(n)_*') $@
$(SIM): $(patsubst %.c,$(B)/%.o,$(wildcard tests/sim/*.c)) $(B)/tests/coordinator/raft/sim_disk.o \
    $(LIB_TESTS) $(B)/coordinator/all.o $(SIM_ARCHIVES)
	$(call link)
simulator: $(SIM)
sim: simulator
	$(SIM) $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

# --- everything else --------------------------------------------------------------------------------
PURE := $(shell awk '!/^\#/ && $$2 ~ /^(pure|crypto|wire)$$/ {print $$1}' $(LAYERS)) coordinator/raft
FORMATTED = $(shell git ls-files '*.c' '*.h' 2>/dev/null || find proto node coordinator witness tests -name '*.[ch]')
pure-archives: $(call archives,$(PURE))
lint:
	@$(MAKE) -sk pure-archives; tests/lint/lint.sh $(B)
format:
	clang-format -i $(FORMATTED)
test:
	@tests/run.sh $(BUILD)
run: all
	deploy/demo.sh
LOADS := $(B)/tests/bench/smbload $(B)/tests/bench/smbmeta
$(LOADS): %: %.o $(B)/tests/bench/bench.o $(B)/tests/bench/dial.o \
    $(call archives,$(call closure,proto/daemon) proto/smb proto/crypto)
	$(call link)
METAMEM := $(B)/tests/bench/metamem
$(METAMEM): %: %.o $(B)/tests/bench/bench.o $(B)/tests/bench/dial.o $(LIB_TESTS) \
    $(call archives,$(call closure,coordinator/meta) $(call closure,proto/daemon) proto/crypto)
	$(call link,,-lcmocka)
loads: $(LOADS) $(METAMEM)
bench: all loads
	tests/bench/run.sh $(BUILD)
	tests/bench/names.sh $(BUILD)
	tests/bench/memory.sh $(BUILD)
deps:
	@deploy/deps.sh build
deps-test:
	@deploy/deps.sh test
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/share/doc/flotilla
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 README.md $(wildcard deploy/*.conf.example) $(DESTDIR)$(PREFIX)/share/doc/flotilla
	install -d $(DESTDIR)$(PREFIX)/share/flotilla && cp -R deploy/ansible $(DESTDIR)$(PREFIX)/share/flotilla/
	for unit in $(wildcard deploy/systemd/*.service deploy/systemd/*.target); do sed 's,/usr/bin/flotilla,$(PREFIX)/bin/flotilla,g' $$unit \
	    >$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} || exit 1; done
clean:
	rm -rf $(BUILD)
help:
	@sed -n '2,4s/^# *//p' Makefile
list-unit:
	@printf '%s\n' $(UNIT)
list-fuzzers:
	@printf '%s\n' $(FUZZERS)
list-schedules:
	@printf '%s\n' $(SCHEDULES)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
