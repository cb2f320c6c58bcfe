// Ids that follow from the order of the modules: the default ones follow from the folders that they lie in.
module.exports = { optimization: { moduleIds: "natural", chunkIds: "natural" } };
