"""From a float model to a quantized one: conversion of modules, and the traced graph."""
